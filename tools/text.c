/* Names on a terminal; see text.h. */
#include "text.h"

#include <stdio.h>
#include <string.h>

#define DOTS "..."

/* The first byte of a letter (UTF-8) at or behind s. */
static const char *letter(const char *s)
{
	while (((unsigned char)*s & 0xc0) == 0x80)
		s++;
	return s;
}

/* Letters, each taken for a column. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

size_t text_print_path(const char *path, size_t columns)
{
	const char *from = path;
	size_t used;

	if (columns && width(path) > columns) {
		const char *slash;

		while (*from && width(from) > columns - strlen(DOTS))
			from = letter(from + 1);
		slash = strchr(from, '/');
		from = slash ? slash : from;
		printf(DOTS);
	}
	used = width(from) + (from != path ? strlen(DOTS) : 0);
	for (; *from; from++)
		putchar((unsigned char)*from < 0x20 || *from == 0x7f ? '?' : *from);
	return used;
}

const char *text_size(u64 bytes, char buf[8])
{
	static const char units[] = "BKMGTP";
	double v = (double)bytes;
	size_t unit = 0;

	for (; v >= 999.5 && units[unit + 1]; unit++)
		v /= 1024;
	if (!bytes)
		snprintf(buf, 8, "0");
	else if (v >= 99.95 || v == (double)(u64)v)
		snprintf(buf, 8, "%.0f%c", v, units[unit]);
	else
		snprintf(buf, 8, "%.*f%c", v >= 9.995 ? 1 : 2, v, units[unit]);
	return buf;
}
