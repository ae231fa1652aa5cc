#!/bin/bash
# mm-torture on many seeds in 16 MiB, each with `faultline check` of the stopped process.
#
#	tests/stress/torture.sh [--native] [SEED...]
#
# FL_TORTURE_SEEDS says how many (20), FL_TORTURE_OPS how many calls each (10000).
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/stress/seeds.sh
. "$FL_TOP/tests/stress/seeds.sh"

ops=${FL_TORTURE_OPS:-10000}
take_seeds "${FL_TORTURE_SEEDS:-20}" "$@"
check="$FAULTLINE check"
[ -z "$native" ] || check=true

for seed in "${seeds[@]}"; do
	rm -f "$tmp/stats"
	prefix=()
	[ -n "$native" ] || prefix=("$FAULTLINE" run "${run_options[@]}" --quiet --stats "$tmp/stats" --ram 16M --)
	FAULTLINE_CHECK=$check guarded "${prefix[@]}" \
		"$PROGRAMS/mm-torture" --ops "$ops" --seed "$seed" --threads 4 --check-every $((ops / 16)) \
		>"$tmp/out" 2>"$tmp/err"
	status=$?
	if [ "$status" -ne 0 ]; then
		fail "seed $seed" "exit status $status" "$tmp/err" "$tmp/out"
	elif [ -z "$native" ] && [ "$(stat_of "$tmp/stats" pswpout)" -eq 0 ]; then
		fail "seed $seed" "nothing was swapped out"
	else
		pass "seed $seed" "$(tail -1 "$tmp/err")"
	fi
done
finish
