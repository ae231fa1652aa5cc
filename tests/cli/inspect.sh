#!/bin/bash
# shellcheck disable=SC2034 # what the shared functions read
# maps, vmstat and check of a live process, and of processes that are none of ours.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

sleep 300 &
plain=$!
for command in ps maps smaps layout mm pagetable page buddyinfo zoneinfo swaps vmstat check; do
	more=()
	[ $command != page ] || more=(1000)
	ran "$FAULTLINE" "$command" "$plain" "${more[@]}"
	expect_error "$command of another program" 1 "$plain"
	ran "$FAULTLINE" "$command" 99999999 "${more[@]}"
	expect_error "$command of no process" 1 99999999
	ran "$FAULTLINE" "$command" notapid "${more[@]}"
	expect_error "$command of no number" 2 notapid
done

# A process that swaps and then waits.
cat >"$tmp/hold.py" <<-'PY'
	import sys, time
	blocks = [bytes([i % 251 + 1]) * 65536 for i in range(640)]
	print("ready", flush=True)
	sys.stdin.readline()
	print(sum(b[0] == i % 251 + 1 and b[-1] == b[0] for i, b in enumerate(blocks)), flush=True)
PY
[ -x /usr/bin/python3 ] || { skip "a live process" "python3 is not installed" && finish; }
mkfifo "$tmp/in" "$tmp/from"
"$FAULTLINE" run --quiet --ram 16M -- /usr/bin/python3 "$tmp/hold.py" <"$tmp/in" >"$tmp/from" &
tool=$!
exec 7>"$tmp/in" 8<"$tmp/from"
if ! read -r -t 60 line <&8 || [ "$line" != ready ]; then
	fail "a live process" "it did not start"
	finish
fi
# The tool is the program's parent, or became it.
pid=$(cat "/proc/$tool/task/$tool/children")
pid=${pid%% *}
pid=${pid:-$tool}

ran "$FAULTLINE" maps "$pid"
expect_status maps 0 && {
	if [ -s "$tmp/out" ] && ! [ -s "$tmp/err" ]; then pass maps "$(wc -l <"$tmp/out") lines"; else
		fail maps "nothing printed, or an error" "$tmp/err"
	fi
}
ran "$FAULTLINE" vmstat "$pid"
expect_status vmstat 0 && {
	if grep -q pswpout "$tmp/out" && grep -q pgfault "$tmp/out"; then pass vmstat; else
		fail vmstat "pswpout and pgfault are not named" "$tmp/out"
	fi
}
ran "$FAULTLINE" check "$pid"
expect_status check 0 && pass check
exec 9<"/proc/$pid/comm"
echo >&7
if read -r -t 60 line <&8 && [ "$line" = 640 ]; then
	pass "the process goes on"
else
	fail "the process goes on" "it printed '$line', not 640"
fi
exec 7>&- 8<&- 9<&-
wait "$tool"
status=$?
expect_status "and ends" 0 && pass "and ends"
ran "$FAULTLINE" check "$pid"
expect_error "check of one that has ended" 1 "$pid"
finish
