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
# shellcheck source=tests/stress/seeds.sh
. "$FL_TOP/tests/stress/seeds.sh"

kills=${FL_STORM_KILLS:-150}
take_seeds "${FL_STORM_SEEDS:-3}" "$@"

for seed in "${seeds[@]}"; do
	storm "seed $seed" kill-storm "$seed" "$kills" --ram 16M
done
finish
