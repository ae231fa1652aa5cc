/*
 * Names on a terminal of limited width.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_TEXT_H
#define FL_TOOLS_TEXT_H

#include "base/types.h"

/*
 * A path in so many columns (0: any number, 4 at least): if it is too long only its end, which
 * tells more, from a slash on if that fits. Who names a file with control characters does not write
 * on our terminal. Returns the columns used.
 */
size_t text_print_path(const char *path, size_t columns);

/* "0", "4K", "1.25M", "132K": three digits at most, rounded. Returns buf. */
const char *text_size(u64 bytes, char buf[8]);

#endif
