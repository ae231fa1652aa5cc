#!/bin/bash
# Programs that know what their memory holds, under every replacement policy and every prefetcher:
# the same output as natively, and books that agree with the kernel's.
#
#	tests/stress/policies.sh [OPTION...]
#
# An OPTION is one of `faultline run`, as --policy=car; without any: every policy.
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_faultline
make_tmp

options=("$@")
[ $# -gt 0 ] || options=(--policy=fifo --policy=clock "--policy=s3-fifo,small=25"
	"--policy=car,aside=50" "--policy=random,seed=1" "--policy=second-chance,aside=75"
	--prefetch=none --prefetch=stride --prefetch=majority)

# holds WHAT COMMAND...: with $option.
holds() {
	local what="$option: $1"
	shift
	if FL_OPTIONS=$option "$@" >"$tmp/log" 2>&1 </dev/null; then
		pass "$what" "$(tail -1 "$tmp/log")"
	else
		fail "$what" "exit status $?" "$tmp/log"
	fi
}

for option in "${options[@]}"; do
	holds semantics "$FL_TOP/tests/run-semantics" -j sem-fork-verify -j sem-madvise-range
	FL_TORTURE_OPS=4000 holds torture "$FL_TOP/tests/stress/torture.sh" 1
	FL_COW_OPS=3000 holds cow-model "$FL_TOP/tests/stress/cow-model.sh" 1
done
finish
