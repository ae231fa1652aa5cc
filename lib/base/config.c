/* The option table; see config.h. */
#include "base/config.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

void fl_config_init(struct fl_config *c)
{
	memset(c, 0, sizeof(*c));
	c->fault_around_order = 4;
	strcpy(c->policy, "second-chance");
	fl_policy_options_init(&c->policy_options);
	strcpy(c->prefetch, "readahead");
}

int fl_parse_size(const char *text, u64 *ret_bytes)
{
	u64 v = 0;
	int digits = 0, shift = 0;

	for (; *text >= '0' && *text <= '9'; text++, digits++) {
		if (v > (~0ull >> 4) / 10)
			return -EINVAL;
		v = v * 10 + (u64)(*text - '0');
	}
	switch (*text) {
	case 'T': case 't': shift += 10; /* fall through */
	case 'G': case 'g': shift += 10; /* fall through */
	case 'M': case 'm': shift += 10; /* fall through */
	case 'K': case 'k': shift += 10; text++;
	}
	if (shift && (*text == 'i') && text[1] == 'B')
		text += 2;
	else if (*text == 'B')
		text++;
	if (!digits || *text || (shift && v > ~0ull >> (shift + 1)))
		return -EINVAL;
	*ret_bytes = v << shift;
	return 0;
}

static int copy_text(char *to, size_t to_bytes, const char *from)
{
	if (strlen(from) >= to_bytes)
		return -EINVAL;
	strcpy(to, from);
	return 0;
}

static int set_ram(struct fl_config *c, const char *v, char *why, size_t n)
{
	if (fl_parse_size(v, &c->ram_bytes) < 0) {
		fl_format(why, n, "--ram %s: not a size: use a number with K, M, G or T, as 512M", v);
		return -EINVAL;
	}
	if (c->ram_bytes < FL_RAM_MIN_BYTES) {
		fl_format(why, n, "--ram %s: too small to run anything: use at least %luM", v,
			(unsigned long)(FL_RAM_MIN_BYTES >> 20));
		return -EINVAL;
	}
	return 0;
}

/* One KEY=VALUE behind a swap device. */
static int set_swap_key(struct fl_config *c, const char *text, bool zram)
{
	u64 *max = zram ? &c->zram_max_bytes : &c->swap_max_bytes;

	if (!strncmp(text, "size=", 5))
		return fl_parse_size(text + 5, max) < 0 || *max < FL_PAGE_SIZE ? -EINVAL : 0;
	if (!zram || (strcmp(text, "charge=no") && strcmp(text, "charge=yes")))
		return -EINVAL;
	c->zram_uncharged = text[7] == 'n';
	return 0;
}

static int set_zram(struct fl_config *c, const char *how)
{
	if (!*how || !strcmp(how, ":lz4"))
		c->zram = FL_ZRAM_LZ4;
	else if (!strcmp(how, ":zstd"))
		c->zram = FL_ZRAM_ZSTD;
	else
		return -EINVAL;
	return 0;
}

/* file[:PATH][,size=SIZE] or zram[:lz4|zstd][,size=SIZE][,charge=no]; one of each, the file
 * below compressed memory. */
static int set_swap(struct fl_config *c, const char *v, char *why, size_t n)
{
	char buf[FL_PATH_MAX], *keys, *next;
	bool zram;

	if (copy_text(buf, sizeof(buf), v) < 0) {
		fl_format(why, n, "--swap: path too long: use a shorter one");
		return -EINVAL;
	}
	keys = strchr(buf, ',');
	if (keys)
		*keys++ = 0;
	zram = !strncmp(buf, "zram", 4);
	if (zram ? set_zram(c, buf + 4) < 0 : strncmp(buf, "file", 4) || (buf[4] && buf[4] != ':')) {
		fl_format(why, n, "--swap %s: no such swap device: use file[:PATH][,size=SIZE] or zram[:lz4|zstd][,size=SIZE][,charge=no]", v);
		return -EINVAL;
	}
	for (; keys; keys = next) {
		next = strchr(keys, ',');
		if (next)
			*next++ = 0;
		if (set_swap_key(c, keys, zram) < 0) {
			fl_format(why, n, "--swap %s: not understood after the comma: use ,size=SIZE, as ,size=4G%s", v,
				zram ? ", or ,charge=no" : "");
			return -EINVAL;
		}
	}
	if (zram)
		return 0;
	c->swap_file = true;
	strcpy(c->swap_path, buf[4] ? buf + 5 : "");
	return 0;
}

static int set_engine(struct fl_config *c, const char *v, char *why, size_t n)
{
	if (!strcmp(v, "auto"))
		c->engine = FL_ENGINE_AUTO;
	else if (!strcmp(v, "uffd"))
		c->engine = FL_ENGINE_UFFD;
	else {
		fl_format(why, n, "--engine %s: not in this version: use auto or uffd", v);
		return -EINVAL;
	}
	return 0;
}

static int set_layout(struct fl_config *c, const char *v, char *why, size_t n)
{
	if (!strcmp(v, "flexible"))
		c->layout = FL_LAYOUT_FLEXIBLE;
	else if (!strcmp(v, "legacy"))
		c->layout = FL_LAYOUT_LEGACY;
	else {
		fl_format(why, n, "--layout %s: no such layout: use flexible or legacy", v);
		return -EINVAL;
	}
	return 0;
}

static int set_policy(struct fl_config *c, const char *v, char *why, size_t n)
{
	int r = fl_policy_options_parse(&c->policy_options, v, why, n);

	if (r < 0)
		return r;
	if (copy_text(c->policy, sizeof(c->policy), v) < 0) {
		fl_format(why, n, "--policy: too long: give each key once");
		return -EINVAL;
	}
	return 0;
}

static int set_prefetch(struct fl_config *c, const char *v, char *why, size_t n)
{
	static const char *const names[] = {"none", "readahead", "stride", "majority"};
	u32 i = 0;

	while (i < fl_array_size(names) && strcmp(v, names[i]))
		i++;
	if (i == fl_array_size(names)) {
		fl_format(why, n, "--prefetch %s: no such prefetcher: use none, readahead, stride or majority", v);
		return -EINVAL;
	}
	return copy_text(c->prefetch, sizeof(c->prefetch), v);
}

static int set_stats(struct fl_config *c, const char *v, char *why, size_t n)
{
	if (!*v || copy_text(c->stats_path, sizeof(c->stats_path), v) < 0) {
		fl_format(why, n, "--stats: not a usable file name: use a path, or - for standard error");
		return -EINVAL;
	}
	return 0;
}

static int set_around(struct fl_config *c, const char *v, char *why, size_t n)
{
	u64 pages;

	if (fl_parse_size(v, &pages) < 0 || !pages || pages > 64 || (pages & (pages - 1))) {
		fl_format(why, n, "--fault-around %s: not a power of two from 1 to 64 pages", v);
		return -EINVAL;
	}
	c->fault_around_order = (u8)__builtin_ctzl(pages);
	return 0;
}

int fl_config_set(struct fl_config *c, const char *key, const char *value, char *why, size_t n)
{
	static const struct {
		const char *key;
		int (*set)(struct fl_config *c, const char *v, char *why, size_t n);
	} keys[] = {
		{"ram", set_ram}, {"swap", set_swap}, {"engine", set_engine},
		{"policy", set_policy}, {"prefetch", set_prefetch}, {"stats", set_stats},
		{"fault-around", set_around}, {"layout", set_layout},
	};
	const struct {
		const char *key;
		bool *flag;
	} flags[] = {{"quiet", &c->quiet}, {"strict", &c->strict}, {"copy-only", &c->copy_only},
		{"no-randomize", &c->no_randomize}, {"page-shared", &c->page_shared}};

	for (size_t i = 0; i < fl_array_size(keys); i++)
		if (!strcmp(key, keys[i].key))
			return keys[i].set(c, value, why, n);
	for (size_t i = 0; i < fl_array_size(flags); i++)
		if (!strcmp(key, flags[i].key)) {
			*flags[i].flag = true;
			return 0;
		}
	fl_format(why, n, "option %s: not known: see faultline run --help", key);
	return -EINVAL;
}

int fl_config_parse(struct fl_config *c, const char *text, char *why, size_t n)
{
	char key[64], value[FL_PATH_MAX];

	while (*text) {
		size_t k = strcspn(text, "=,"), v = 0;

		if (k >= sizeof(key)) {
			fl_format(why, n, "FAULTLINE: key too long: use KEY=VALUE,KEY=VALUE");
			return -EINVAL;
		}
		memcpy(key, text, k);
		key[k] = 0;
		text += k;
		if (*text == '=') {
			text++;
			v = strcspn(text, ",");
			while (!strcmp(key, "swap") &&
				(!strncmp(text + v, ",size=", 6) || !strncmp(text + v, ",charge=", 8)))
				v += 1 + strcspn(text + v + 1, ",");
			if (!strcmp(key, "policy"))
				v += fl_policy_options_more(text + v);
			if (v >= sizeof(value)) {
				fl_format(why, n, "FAULTLINE: value of %s too long", key);
				return -EINVAL;
			}
		}
		memcpy(value, text, v);
		value[v] = 0;
		text += v;
		if (*text == ',')
			text++;
		if (key[0] && fl_config_set(c, key, value, why, n) < 0)
			return -EINVAL;
	}
	return 0;
}
