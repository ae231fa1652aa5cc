/* The options of the policies; see policy-options.h. */
#include "base/policy-options.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

#define BIT(kind) (1u << (kind))

static const char *const names[FL_NR_POLICIES] = {
	[FL_POLICY_SECOND_CHANCE] = "second-chance",
	[FL_POLICY_FIFO] = "fifo",
	[FL_POLICY_CLOCK] = "clock",
	[FL_POLICY_S3_FIFO] = "s3-fifo",
	[FL_POLICY_CAR] = "car",
	[FL_POLICY_RANDOM] = "random",
};

static const struct key {
	const char *name;
	u32 kinds; /* BIT of each policy that has it */
	u32 min, max;
	size_t offset;
} keys[] = {
	{"aside",
		BIT(FL_POLICY_SECOND_CHANCE) | BIT(FL_POLICY_CLOCK) | BIT(FL_POLICY_S3_FIFO) |
			BIT(FL_POLICY_CAR),
		1, 90, offsetof(struct fl_policy_options, aside_percent)},
	{"small", BIT(FL_POLICY_S3_FIFO), 1, 90, offsetof(struct fl_policy_options, small_percent)},
	{"seed", BIT(FL_POLICY_RANDOM), 0, UINT32_MAX, offsetof(struct fl_policy_options, seed)},
};

void fl_policy_options_init(struct fl_policy_options *o)
{
	*o = (struct fl_policy_options){.kind = FL_POLICY_SECOND_CHANCE, .small_percent = 10};
}

/* The key that text begins with, before its "=". */
static const struct key *key_at(const char *text)
{
	size_t n = strcspn(text, "=,");

	for (size_t i = 0; i < fl_array_size(keys); i++)
		if (text[n] == '=' && strlen(keys[i].name) == n && !strncmp(text, keys[i].name, n))
			return &keys[i];
	return NULL;
}

size_t fl_policy_options_more(const char *text)
{
	size_t n = 0;

	while (text[n] == ',' && key_at(text + n + 1))
		n += 1 + strcspn(text + n + 1, ",");
	return n;
}

/* A decimal number up to a comma or the end. */
static bool number(const char *text, const struct key *key, u32 *ret)
{
	u64 v = 0;
	const char *t = text;

	for (; *t >= '0' && *t <= '9' && v <= UINT32_MAX; t++)
		v = v * 10 + (u64)(*t - '0');
	*ret = (u32)v;
	return t != text && (!*t || *t == ',') && v >= key->min && v <= key->max;
}

int fl_policy_options_parse(struct fl_policy_options *o, const char *text, char *why, size_t n)
{
	size_t len = strcspn(text, ",");
	const char *t = text + len;

	fl_policy_options_init(o);
	for (o->kind = 0; o->kind < FL_NR_POLICIES; o->kind++)
		if (strlen(names[o->kind]) == len && !strncmp(text, names[o->kind], len))
			break;
	if (o->kind == FL_NR_POLICIES) {
		fl_format(why, n, "--policy %s: no such policy: use " FL_POLICY_NAMES, text);
		return -EINVAL;
	}
	for (; *t == ','; t += strcspn(t, ",")) {
		const struct key *key = key_at(++t);

		if (!key || !(key->kinds & BIT(o->kind))) {
			fl_format(why, n,
				"--policy %s: not understood after the comma: use NAME[,aside=PERCENT], s3-fifo[,small=PERCENT] or random[,seed=NUMBER]",
				text);
			return -EINVAL;
		}
		if (!number(t + strlen(key->name) + 1, key, (u32 *)((char *)o + key->offset))) {
			fl_format(why, n, "--policy %s: %s: not a number from %u to %u", text,
				key->name, key->min, key->max);
			return -EINVAL;
		}
	}
	return 0;
}
