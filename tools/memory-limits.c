/* The limits on memory; see memory-limits.h. */
#include "memory-limits.h"
#include "base/log.h"
#include "machine/handoff.h"

#include <stdlib.h>
#include <sys/resource.h>

/* Natively our library would not be loaded. More than it takes is no harm: it corrects this. */
#define LOAD_BYTES (4ul << 20)

static struct {
	int resource;
	bool lifted;
	struct rlimit was;
} limits[] = {{.resource = RLIMIT_AS}, {.resource = RLIMIT_DATA}};

/* The tool is managed itself: whoever manages it tells of limits, and has done what is to be done. */
static bool nested;

void limits_lift(void)
{
	nested = fl_fd_import(getenv(FL_FDS_ENV)) >= 0;
	for (size_t i = 0; i < fl_array_size(limits); i++) {
		struct rlimit *was = &limits[i].was, none = {RLIM_INFINITY, RLIM_INFINITY}, all;

		if (getrlimit(limits[i].resource, was) < 0 || was->rlim_cur == RLIM_INFINITY)
			continue;
		all = (struct rlimit){was->rlim_max, was->rlim_max};
		limits[i].lifted = setrlimit(limits[i].resource, &none) == 0 ||
			setrlimit(limits[i].resource, &all) == 0;
	}
}

void limits_restore(bool managed)
{
	char text[FL_LIMITS_TEXT];
	struct fl_text t = {text, sizeof(text), 0};
	bool any = false, told = managed && !nested;

	for (size_t i = 0; i < fl_array_size(limits); i++) {
		struct rlimit now = limits[i].was;

		if (limits[i].lifted && told && now.rlim_max - now.rlim_cur > LOAD_BYTES)
			now.rlim_cur += LOAD_BYTES;
		any |= limits[i].lifted;
		if (limits[i].lifted)
			setrlimit(limits[i].resource, &now);
		fl_text_add(&t, "%lu %lu %lu 0 ", (unsigned long)now.rlim_cur,
			(unsigned long)(now.rlim_cur - limits[i].was.rlim_cur),
			(unsigned long)now.rlim_max);
	}
	if (told && any)
		setenv(FL_LIMITS_ENV, text, 1);
	else
		unsetenv(FL_LIMITS_ENV);
}
