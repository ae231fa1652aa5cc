#!/bin/bash
# cow-model on several seeds, natively and in less than a third of what its processes have
# together; in the middle all stand still, and each is compared with the kernel and
# the books of the tree are added up.
#
#	tests/stress/cow-model.sh [--native] [SEED...]
#
# FL_COW_SEEDS says how many (2), FL_COW_OPS how many operations each (30000).
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/stress/seeds.sh
. "$FL_TOP/tests/stress/seeds.sh"

ops=${FL_COW_OPS:-30000}
take_seeds "${FL_COW_SEEDS:-2}" "$@"

# What the root runs at the standstill, with all process ids behind it.
write_check

run() { # COMMAND...
	guarded "$@" "$PROGRAMS/cow-model" --seed "$seed" --ops "$ops" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

for seed in "${seeds[@]}"; do
	run
	[ "$status" -eq 0 ] || { fail "seed $seed natively" "exit status $status" "$tmp/err" && continue; }
	[ -z "$native" ] || { pass "seed $seed natively" "$(tail -1 "$tmp/err")" && continue; }
	rm -f "$tmp/stats"
	FAULTLINE_CHECK="sh $tmp/check" run "$FAULTLINE" run "${run_options[@]}" --quiet --stats "$tmp/stats" --ram 24M --
	if [ "$status" -ne 0 ]; then
		fail "seed $seed" "exit status $status" "$tmp/err" "$tmp/out"
	elif grep -q '^faultline: ' "$tmp/err"; then
		fail "seed $seed" "a message of Faultline's" "$tmp/err"
	elif ! grep -q '^tree-books: 46 processes' "$tmp/err"; then
		fail "seed $seed" "the tree was not looked at" "$tmp/err"
	elif [ "$(stat_of "$tmp/stats" pswpout)" -eq 0 ]; then
		fail "seed $seed" "nothing was swapped out"
	else
		pass "seed $seed" "$(tail -1 "$tmp/err"), pswpout $(stat_of "$tmp/stats" pswpout)"
	fi
done
finish
