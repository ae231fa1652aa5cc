#!/bin/bash
# Random mm calls, valid and not, natively and under Faultline: the same results, errno, signals,
# bytes and layout, without a limit and with much less memory than is used; and with threads.
#
#	tests/stress/mm-diff.sh [SEED...]
#
# FL_DIFF_SEEDS says how many seeds (4), FL_DIFF_OPS how many operations each (3000); 20 of 10000
# with ./dev test --long. After every 1000 operations `faultline check` looks at the process.
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

ops=${FL_DIFF_OPS:-3000} ram=${FL_DIFF_RAM:-8M}
if [ $# -gt 0 ]; then
	seeds=("$@")
else
	mapfile -t seeds < <(seq 1 "${FL_DIFF_SEEDS:-4}")
fi
need_faultline
have python3 || skip_all "python3 is not installed"
make_tmp
export TMPDIR=$tmp

one() { # NAME LEAST_PSWPOUT OPTION...
	local name=$1 least=$2 status
	shift 2
	guarded python3 "$FL_TOP/tests/stress/mm-diff.py" --build "$FL_BUILD" --timeout "$FL_TEST_TIMEOUT" \
		"$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	if [ "$status" -ne 0 ]; then
		fail "$name" "exit status $status" "$tmp/out" "$tmp/err"
	elif [ "$(sed -n 's/.*pswpout //p' "$tmp/out")" -lt "$least" ]; then
		fail "$name" "nothing was swapped out"
	else
		pass "$name" "$(tail -1 "$tmp/out")"
	fi
}

for seed in "${seeds[@]}"; do
	one "seed $seed" 0 --seed "$seed" --ops "$ops"
	one "seed $seed in $ram" 1 --seed "$seed" --ops "$ops" --ram "$ram"
	one "seed $seed in $ram, 4 threads" 1 --seed "$seed" --ops $((ops / 4)) --threads 4 --every 250 \
		--ram "$ram"
done
finish
