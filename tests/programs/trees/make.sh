# make -j4 of a C project, which is this one: the same objects as natively.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(make gcc)

prepare() {
	local rooms=(lib/base lib/mm lib/swap lib/machine)
	[ -n "$quick" ] || rooms=(lib tools)
	cp -r "$FL_TOP/lib" "$FL_TOP/include" "$FL_TOP/tools" .
	{
		# What the build proper asks the system for; any string will do.
		printf 'CFLAGS = -std=gnu11 -O2 -g -fPIC -D_GNU_SOURCE -I. -Ilib -Iinclude\n'
		printf 'CFLAGS += -DFL_VERSION=__FILE__ -DFL_LIBDIR=__FILE__\n'
		printf 'objects = %s\n' "$(find "${rooms[@]}" -name '*.c' | sort | sed 's/c$/o/' | paste -sd' ')"
		# shellcheck disable=SC2016 # make's
		printf 'all: $(objects)\n\t@ls $(objects) | wc -l\n%%.o: %%.c\n\t@$(CC) $(CFLAGS) -c $< -o $@\n'
	} >Makefile
}

job() {
	cp -r "$input"/. .
	measured make -s -j4
	local status=$?
	[ "$(find . -name '*.o' | wc -l)" -gt 10 ] || { echo "hardly any objects"; status=1; }
	find . -type f ! -name '*.o' -delete
	return $status
}
