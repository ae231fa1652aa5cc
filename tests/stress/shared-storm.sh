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
# shellcheck source=tests/stress/seeds.sh
. "$FL_TOP/tests/stress/seeds.sh"

kills=${FL_STORM_KILLS:-60}
take_seeds "${FL_STORM_SEEDS:-3}" "$@"

for seed in "${seeds[@]}"; do
	if [ -n "$native" ]; then
		storm "seed $seed" shared-storm "$seed" "$kills"
		continue
	fi
	for ram in 16M 8M; do
		storm "seed $seed in $ram" shared-storm "$seed" "$kills" --ram "$ram"
	done
done
finish
