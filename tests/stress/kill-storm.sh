#!/bin/bash
# kill-storm on several seeds, in a quarter of what its processes touch: survivors
# have their bytes, and in the end every frame and slot is the root's or free.
#
#	tests/stress/kill-storm.sh [--native] [SEED...]
#
# FL_STORM_SEEDS says how many (3), FL_STORM_KILLS how many kills each (150).
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

kills=${FL_STORM_KILLS:-150} native=''
[ "${1:-}" != --native ] || { native=yes && shift; }
if [ $# -gt 0 ]; then
	seeds=("$@")
else
	mapfile -t seeds < <(seq 1 "${FL_STORM_SEEDS:-3}")
fi
[ -n "$native" ] || need_faultline
make_tmp

# What the root runs when it is alone, its process id behind it.
cat >"$tmp/check" <<-SH
	#!/bin/sh
	'$FAULTLINE' check "\$@" && '$FL_BUILD/tests/stress/tree-books' "\$@"
SH
[ -z "$native" ] || echo : >"$tmp/check"

for seed in "${seeds[@]}"; do
	rm -f "$tmp/stats"
	prefix=()
	[ -n "$native" ] || prefix=("$FAULTLINE" run --quiet --stats "$tmp/stats" --ram 16M --)
	FAULTLINE_CHECK="sh $tmp/check" guarded "${prefix[@]}" \
		"$PROGRAMS/kill-storm" --seed "$seed" --kills "$kills" >"$tmp/out" 2>"$tmp/err"
	status=$?
	if [ "$status" -ne 0 ]; then
		fail "seed $seed" "exit status $status" "$tmp/err" "$tmp/out"
	elif grep -q '^faultline: ' "$tmp/err"; then
		fail "seed $seed" "a message of Faultline's" "$tmp/err"
	elif [ -z "$native" ] && [ "$(stat_of "$tmp/stats" pswpout)" -eq 0 ]; then
		fail "seed $seed" "nothing was swapped out"
	else
		pass "seed $seed" "$(tail -1 "$tmp/err")"
	fi
done
finish
