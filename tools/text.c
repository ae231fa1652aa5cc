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
