/*
 * One-line messages on standard error, and small text formatting, without
 * libc: "faultline: what failed: why: what to do".
 *
 * Context: any thread, fault path, signal handler, after fork.
 */
#ifndef FL_BASE_LOG_H
#define FL_BASE_LOG_H

#include "base/types.h"

#include <stdarg.h>

/* A bounded text buffer; what does not fit is cut off. Always terminated. */
struct fl_text {
	char *buf;
	size_t size, len;
};

/* %s %d %u %x (with l or ll) %c %% only; widths and precision are not known. */
void fl_text_vadd(struct fl_text *t, const char *fmt, va_list ap);
void fl_text_add(struct fl_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Formats into buf and returns the length written. */
size_t fl_format(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Writes "faultline: ..." and a newline to standard error in one write. */
void fl_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "ENOSPC"-like name of a positive errno, or "error". */
const char *fl_errname(int err);

#endif
