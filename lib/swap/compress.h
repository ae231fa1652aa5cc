/*
 * A page made smaller, and back, by lz4 or zstd.
 *
 * The libraries use vector registers, which the code around a system call may be using: those
 * are saved here. They get their memory from the caller, and call nothing of libc.
 *
 * Context: any thread, fault path; a struct fl_compressor belongs to one thread at a time.
 */
#ifndef FL_SWAP_COMPRESS_H
#define FL_SWAP_COMPRESS_H

#include "base/types.h"

enum fl_compression {
	FL_LZ4,
	FL_ZSTD,
};

struct fl_compressor {
	enum fl_compression how;
	void *memory;	/* fl_compressor_bytes(), zeroed at first */
	void *in, *out;	/* the library's, within it; NULL: not used yet */
};

size_t fl_compressor_bytes(enum fl_compression how);
void fl_compressor_init(struct fl_compressor *c, enum fl_compression how, void *memory);

/* A page into at most most bytes at to. How many, or 0 if it does not become so small. */
u32 fl_compress(struct fl_compressor *c, const void *page, void *to, u32 most);

/* And back. False if the bytes are not what fl_compress has made; the page is any then. */
bool fl_decompress(struct fl_compressor *c, const void *from, u32 bytes, void *page);

#endif
