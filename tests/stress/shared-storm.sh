#!/bin/bash
# shared-storm on several seeds, in two thirds of the memory that its processes share, and in a
# third: nobody sees a byte that is not right, and in the end every frame and slot is the
# root's, shared memory's or free.
#
#	tests/stress/shared-storm.sh [--native] [SEED...]
#
# FL_STORM_SEEDS says how many (3), FL_STORM_KILLS how many kills each (60).
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

kills=${FL_STORM_KILLS:-60} native=''
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

one() { # SEED RAM
	local what="seed $1${2:+ in $2}" prefix=() status
	rm -f "$tmp/stats"
	[ -n "$native" ] || prefix=("$FAULTLINE" run --quiet --stats "$tmp/stats" --ram "$2" --page-shared --)
	FAULTLINE_CHECK="sh $tmp/check" guarded "${prefix[@]}" \
		"$PROGRAMS/shared-storm" --seed "$1" --kills "$kills" >"$tmp/out" 2>"$tmp/err"
	status=$?
	if [ "$status" -ne 0 ]; then
		fail "$what" "exit status $status" "$tmp/err" "$tmp/out"
	elif grep -q '^faultline: ' "$tmp/err"; then
		fail "$what" "a message of Faultline's" "$tmp/err"
	elif [ -z "$native" ] && [ "$(stat_of "$tmp/stats" pswpout)" -eq 0 ]; then
		fail "$what" "nothing was swapped out"
	else
		pass "$what" "$(tail -1 "$tmp/err")"
	fi
}

for seed in "${seeds[@]}"; do
	if [ -n "$native" ]; then
		one "$seed" ''
	else
		one "$seed" 16M
		one "$seed" 8M
	fi
done
finish
