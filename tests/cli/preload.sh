#!/bin/bash
# The library without the tool: LD_PRELOAD and the FAULTLINE variable.
# shellcheck disable=SC2016 # the inner shells expand
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

[ -r "$LIBFAULTLINE" ] || skip_all "$LIBFAULTLINE has not been built"
ran "$PROGRAMS/sem-fork-verify"
expected=$(cat "$tmp/out")
ran env LD_PRELOAD="$LIBFAULTLINE" FAULTLINE="ram=16M,swap=file,quiet,stats=$tmp/stats" "$PROGRAMS/sem-fork-verify"
expect_status "preloaded" 0 && {
	if [ "$(cat "$tmp/out")" != "$expected" ] || [ -s "$tmp/err" ]; then
		fail "preloaded" "another output, or something on standard error" "$tmp/out" "$tmp/err"
	elif [ "$(stat_of "$tmp/stats" pswpout)" -eq 0 ]; then
		fail "preloaded" "nothing was swapped out"
	else
		pass "preloaded" "pswpout $(stat_of "$tmp/stats" pswpout)"
	fi
}

ran env LD_PRELOAD="$LIBFAULTLINE" FAULTLINE="ram=64M,swap=file,stats=$tmp/stats" \
	sh -c 'echo out; (exit 4); exit $(($? + 1))'
expect_status "a shell, preloaded" 5 && {
	if [ "$(cat "$tmp/out")" = out ]; then pass "a shell, preloaded"; else
		fail "a shell, preloaded" "another output" "$tmp/out"
	fi
}

# Unless it is quiet the first process has the last word, but not in a file of the program's.
preloaded=(env LD_PRELOAD="$LIBFAULTLINE" FAULTLINE="ram=64M,swap=file")
ran "${preloaded[@]}" bash -c 'echo out; (exit 4); exit 0'
if [ "$(cat "$tmp/out")" = out ] && grep -q '^faultline: 2 processes, ' "$tmp/err" &&
	[ "$(grep -c '^faultline: .* bash$' "$tmp/err")" -eq 2 ]; then
	pass "the summary, preloaded"
else
	fail "the summary, preloaded" "not on standard error, with two processes" "$tmp/out" "$tmp/err"
fi
ran "${preloaded[@]}" bash -c "exec 2>'$tmp/own'; echo own >&2; exit 0"
if [ "$(cat "$tmp/own")" = own ] && [ ! -s "$tmp/err" ]; then
	pass "no summary in another file"
else
	fail "no summary in another file" "it is there" "$tmp/own" "$tmp/err"
fi

ran env LD_PRELOAD="$LIBFAULTLINE" sh -c 'echo out; exit 3'
expect_status "no variable" 3 && {
	if [ "$(cat "$tmp/out")" = out ]; then pass "no variable"; else
		fail "no variable" "another output" "$tmp/out"
	fi
}

# A wrong setting is said once, and the program runs natively.
ran env LD_PRELOAD="$LIBFAULTLINE" FAULTLINE="ram=12Q" sh -c 'echo out; exit 3'
expect_warning "unparsable size in the variable" 3 out
ran env LD_PRELOAD="$LIBFAULTLINE" FAULTLINE="nosuch=1" sh -c 'echo out; exit 3'
expect_warning "unknown key in the variable" 3 out
finish
