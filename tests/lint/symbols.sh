#!/bin/bash
# What the preloaded library shows to the program, and what it takes from it.
# It must export nothing: a symbol of ours would replace the program's own. And
# what it calls of libc is called at the start and at exit only, as hooks and
# handlers must not; a new name here is a question to be answered, not a fact.
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# the constructor: where libc is, the environment
allowed=(dl_iterate_phdr dlsym getenv setenv unsetenv strchr strcpy strncmp strrchr
	# string.h functions of gcc's own choosing: pure, no locks, no memory
	memcpy memset memmove memcmp strlen strcmp strcspn
	# gcc and the C run-time's start files
	__cxa_finalize __gmon_start__ _ITM_deregisterTMCloneTable _ITM_registerTMCloneTable
	__stack_chk_fail
	# liburing's and zstd's allocating helpers, linked in, never called
	calloc free malloc)

need_faultline
have nm || skip_all "nm is not installed"
make_tmp

nm -D --defined-only "$LIBFAULTLINE" >"$tmp/exported"
if [ -s "$tmp/exported" ]; then
	fail "exports nothing" "it does" "$tmp/exported"
else
	pass "exports nothing"
fi

nm -D --undefined-only "$LIBFAULTLINE" | awk '{ sub(/@.*/, "", $2); print $2 }' >"$tmp/used"
[ -s "$tmp/used" ] || fail "takes from libc only what is allowed" "nm shows nothing at all"
while read -r name; do
	for a in "${allowed[@]}"; do
		[ "$name" != "$a" ] || continue 2
	done
	printf '%s\n' "$name"
done <"$tmp/used" >"$tmp/more"
if [ -s "$tmp/more" ]; then
	fail "takes from libc only what is allowed" "also" "$tmp/more"
else
	pass "takes from libc only what is allowed" "$(wc -l <"$tmp/used") names"
fi

# Executable stacks and text relocations would be refused by hardened systems.
if readelf -lW "$LIBFAULTLINE" | grep -q 'GNU_STACK.*RWE'; then
	fail "no executable stack" "GNU_STACK is RWE"
else
	pass "no executable stack"
fi
if readelf -dW "$LIBFAULTLINE" | grep -q TEXTREL; then
	fail "no text relocations" "TEXTREL"
else
	pass "no text relocations"
fi
finish
