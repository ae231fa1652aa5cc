/* lz4 and zstd; see compress.h. */
#define ZSTD_STATIC_LINKING_ONLY /* contexts in memory that is given */
#include "swap/compress.h"

#include <lz4.h>
#include <zstd.h>

#define ZSTD_LEVEL	 1
#define LZ4_ACCELERATION 1

/* zstd calls these, where a program has them, to trace its own use of the library: not ours. */
unsigned long long ZSTD_trace_compress_begin(const void *in);
void ZSTD_trace_compress_end(unsigned long long trace, const void *what);
unsigned long long ZSTD_trace_decompress_begin(const void *out);
void ZSTD_trace_decompress_end(unsigned long long trace, const void *what);

unsigned long long ZSTD_trace_compress_begin(const void *in)
{
	return 0; /* no trace */
}

void ZSTD_trace_compress_end(unsigned long long trace, const void *what)
{
}

unsigned long long ZSTD_trace_decompress_begin(const void *out)
{
	return 0;
}

void ZSTD_trace_decompress_end(unsigned long long trace, const void *what)
{
}

/* The vector registers that the libraries' code, built for any x86-64, can change. */
struct vectors {
	_Alignas(16) u8 area[512];
};

static inline void save(struct vectors *v)
{
	__asm__ volatile("fxsave64 %0" : "=m"(*v));
}

static inline void restore(const struct vectors *v)
{
	__asm__ volatile("fxrstor64 %0" : : "m"(*v));
}

static ZSTD_compressionParameters parameters(void)
{
	return ZSTD_getCParams(ZSTD_LEVEL, FL_PAGE_SIZE, 0);
}

/* Once; the library's arithmetic for it is not for every page. */
static size_t zstd_in_bytes(void)
{
	static size_t bytes;

	if (!bytes)
		bytes = fl_page_up(ZSTD_estimateCCtxSize_usingCParams(parameters()));
	return bytes;
}

size_t fl_compressor_bytes(enum fl_compression how)
{
	struct vectors v;
	size_t bytes;

	save(&v);
	bytes = how == FL_LZ4 ? (size_t)LZ4_sizeofState() : zstd_in_bytes() + ZSTD_estimateDCtxSize();
	restore(&v);
	return bytes;
}

void fl_compressor_init(struct fl_compressor *c, enum fl_compression how, void *memory)
{
	*c = (struct fl_compressor){.how = how, .memory = memory};
}

static ZSTD_CCtx *new_in(void *memory)
{
	const ZSTD_compressionParameters p = parameters();
	ZSTD_CCtx *in = ZSTD_initStaticCCtx(memory, zstd_in_bytes());
	const struct {
		ZSTD_cParameter what;
		unsigned int value;
	} set[] = {{ZSTD_c_windowLog, p.windowLog}, {ZSTD_c_chainLog, p.chainLog},
		{ZSTD_c_hashLog, p.hashLog}, {ZSTD_c_searchLog, p.searchLog},
		{ZSTD_c_minMatch, p.minMatch}, {ZSTD_c_targetLength, p.targetLength},
		{ZSTD_c_strategy, (unsigned int)p.strategy}, {ZSTD_c_contentSizeFlag, 0}};

	for (size_t i = 0; in && i < fl_array_size(set); i++)
		ZSTD_CCtx_setParameter(in, set[i].what, (int)set[i].value);
	/* without the magic number that begins every frame of a file */
	if (in)
		ZSTD_CCtx_setParameter(in, ZSTD_c_format, ZSTD_f_zstd1_magicless);
	return in;
}

static u32 by_zstd(struct fl_compressor *c, const void *page, void *to, u32 most)
{
	size_t r;

	if (!c->in)
		c->in = new_in(c->memory);
	if (!c->in)
		return 0;
	r = ZSTD_compress2(c->in, to, most, page, FL_PAGE_SIZE);
	return ZSTD_isError(r) ? 0 : (u32)r;
}

static bool back_by_zstd(struct fl_compressor *c, const void *from, u32 bytes, void *page)
{
	if (!c->out) {
		c->out = ZSTD_initStaticDCtx((char *)c->memory + zstd_in_bytes(), ZSTD_estimateDCtxSize());
		if (!c->out)
			return false;
		ZSTD_DCtx_setParameter(c->out, ZSTD_d_format, ZSTD_f_zstd1_magicless);
	}
	return ZSTD_decompressDCtx(c->out, page, FL_PAGE_SIZE, from, bytes) == FL_PAGE_SIZE;
}

u32 fl_compress(struct fl_compressor *c, const void *page, void *to, u32 most)
{
	struct vectors v;
	u32 bytes;

	save(&v);
	if (c->how == FL_ZSTD)
		bytes = by_zstd(c, page, to, most);
	else
		bytes = (u32)LZ4_compress_fast_extState(
			c->memory, page, to, FL_PAGE_SIZE, (int)most, LZ4_ACCELERATION);
	restore(&v);
	return bytes;
}

bool fl_decompress(struct fl_compressor *c, const void *from, u32 bytes, void *page)
{
	struct vectors v;
	bool ok;

	save(&v);
	if (c->how == FL_ZSTD)
		ok = back_by_zstd(c, from, bytes, page);
	else
		ok = LZ4_decompress_safe(from, page, (int)bytes, FL_PAGE_SIZE) == FL_PAGE_SIZE;
	restore(&v);
	return ok;
}
