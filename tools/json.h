/*
 * A string as JSON on standard output.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_JSON_H
#define FL_TOOLS_JSON_H

/* Quoted and escaped; bytes that are not UTF-8 become U+FFFD. */
void json_string(const char *s);

#endif
