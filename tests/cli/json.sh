#!/bin/bash
# shellcheck disable=SC2034 # what the shared functions read
# Every command's --json is JSON, and every key in it is in the command's manual page.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

have python3 || skip_all "python3 is not installed"
man=$FL_TOP/docs/man
mkfifo "$tmp/in" "$tmp/from"
cat >"$tmp/keys.py" <<-'PY'
	import json, sys
	def keys(o):
	    if isinstance(o, dict):
	        for k, v in o.items():
	            yield k
	            yield from keys(v)
	    elif isinstance(o, list):
	        for v in o:
	            yield from keys(v)
	print("\n".join(sorted(set(keys(json.load(open(sys.argv[1])))))))
PY

# A parent and its child, in a third of their memory: what is shared, and what is in swap.
"$FAULTLINE" run --quiet --ram 8M -- "$PROGRAMS/smaps-tree" 24 <"$tmp/in" >"$tmp/from" &
tool=$!
exec 7>"$tmp/in" 8<"$tmp/from"
read -r -t "$FL_TEST_TIMEOUT" parent child <&8 || { fail "a tree" "it did not start" && finish; }

# documented COMMAND [ARGUMENT...]
documented() {
	local keys
	ran "$FAULTLINE" "$1" --json "${@:2}"
	expect_status "$* is JSON" 0 || return
	if ! python3 -m json.tool "$tmp/out" /dev/null 2>"$tmp/err"; then
		fail "$* is JSON" "it is not" "$tmp/err" "$tmp/out"
		return
	fi
	pass "$* is JSON"
	mapfile -t keys < <(python3 "$tmp/keys.py" "$tmp/out")
	in_page "keys of $1" "$man/faultline-$1.1" "${keys[@]}"
}

stack=$(sed -n 's/^\([0-9a-f]*\)-.*\[stack\]$/\1/p' "/proc/$parent/maps")
for command in maps layout mm pagetable; do
	documented $command "$parent"
done
documented layout --all "$child"
# in memory or in swap, shared and not, in no memory, of the kernel
for at in 200000000000 200000400000 2000017ff000 200400001000 1000 "$stack"; do
	documented page "$parent" "$at"
	documented pagetable "$child" "$at"
done
for command in buddyinfo zoneinfo swaps; do
	documented $command "$parent" "$child"
done
documented ps --interval 0.01 "$parent"
exec 7>&-
wait "$tool"
status=$?
exec 8<&-
expect_status "it ends" 0 && pass "it ends"
finish
