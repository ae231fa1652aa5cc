#!/bin/bash
# ./dev bench in its smallest form: natively, on the kernel's swap where that can be had, and under
# Faultline; its JSON; and that nothing of it is left on the machine, however it ends.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

have python3 || skip_all "python3 is not installed"
bench=$FL_TOP/bench/run
small=(--rounds 1 --mib 16 --seconds 0.05 --percent 50 --json "$tmp/json")
endless=(--rounds 1 --mib 32 --seconds 100 --percent 50 --json "$tmp/json")
export FL_BUILD

# start ARGUMENT...: a bench in the background, $pid; without the guard, as signals are for itself.
start() {
	"$bench" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null &
	pid=$!
}

end_bench() {
	[ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null
}
at_exit end_bench

ended() { # leaves $status
	wait "$pid" 2>/dev/null
	status=$?
}

cgroups() {
	find /sys/fs/cgroup "$TMPDIR" -maxdepth 4 -type d -name "fl-bench.$pid.*-*" 2>/dev/null
}

# The swap of other benches may be there at the same time: ours has a path or a label.
left_by_bench() {
	ls -A "$TMPDIR"
	cgroups
	grep -F "$TMPDIR/" /proc/swaps
	for device in /dev/zram*; do
		if swaplabel "$device" 2>/dev/null | grep -q "flb\.$pid\$"; then
			printf '%s\n' "$device"
		fi
	done
	grep "not removed" "$tmp/err"
}

nothing_left() { # NAME
	left_by_bench >"$tmp/left"
	if [ -s "$tmp/left" ]; then
		fail "$1: nothing is left" "there is" "$tmp/left" "$tmp/err"
	else
		pass "$1: nothing is left"
	fi
}

# limited_runs: waits until a program runs within a cgroup of the bench; false if it ends before.
limited_runs() {
	local group
	while kill -0 "$pid" 2>/dev/null; do
		for group in $(cgroups); do
			[ -z "$(cat "$group/cgroup.procs" 2>/dev/null)" ] || return 0
		done
		sleep 0.01
	done
	return 1
}

start "${small[@]}" random-read
ended
if expect_status "a row of micro" 0; then
	pass "a row of micro"
	cp "$tmp/json" "$tmp/out"
	json_true "each side is measured or skipped with a reason" '
		all(set(f["variants"]) | {s for s, why in o["machine"]["skipped"].items() if why} - {"no limit"}
		    == {"native", "kernel file", "kernel zram", "Faultline file", "Faultline zram"}
		    for f in o["tables"]["micro"])'
	json_true "each kind of page has its line" \
		'[(f["pages"], f["percent"]) for f in o["tables"]["micro"]] == [("2:1", 50), ("random", 50)]'
	json_true "a figure has its values, median and spread" '
		all(len(v["values"]) == o["rounds"] == 1 and v["min"] <= v["median"] <= v["max"] and v["median"] > 0
		    for f in o["tables"]["micro"] for side, v in f["variants"].items()
		    if not (side.startswith("kernel") and v == {"killed": "OutOfMemory"}))'
	json_true "its limit is what was asked for" '
		all(f["limit_bytes"] - (f["percent"] * o["mib"] << 20) // 100 in range(0, 4 << 20)
		    for f in o["tables"]["micro"])'
	# A loaded kernel may kill a program within its cgroup, and says nothing then.
	json_true "the verdict has a ratio, or says why not" '
		{v["against"] for v in o["verdict"]} == {"kernel file", "kernel zram"} and
		all(len(v["of"]) + len(v["missing"]) == 2 and (v["ratio"] is None) == (not v["of"]) and
		    v["met"] in (None, v["ratio"] is not None and v["ratio"] <= v["at_most"]) for v in o["verdict"])'
	kernel=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["machine"]["skipped"].get("kernel file", ""))' "$tmp/json")
fi
nothing_left "at the end"

# What runs natively because it cannot be managed is not to be measured as managed.
broken=$tmp/broken
mkdir -p "$broken/tools" "$broken/lib" "$broken/bench" "$broken/tests/programs"
cp "$FAULTLINE" "$broken/tools/"
cp "$FL_BUILD/bench/micro" "$FL_BUILD/bench/fork" "$broken/bench/"
cp "$SAMPLER" "$broken/tests/programs/"
: >"$broken/lib/libfaultline.so"
ran env FL_BUILD="$broken" "$bench" "${small[@]}" scan
if expect_status "without a library" 1; then
	if grep -q "^bench: nothing to compare: " "$tmp/err"; then
		pass "without a library" "$(grep "^bench: " "$tmp/err")"
	else
		fail "without a library" "another message" "$tmp/err"
	fi
fi

ran "$bench" no-such-row
expect_status "an unknown row" 2 && pass "an unknown row"

if [ -n "${kernel-not measured}" ]; then
	skip "ended in the middle" "the kernel's swap is not to be had: ${kernel-not measured}"
	finish
fi
for signal in INT TERM; do
	start "${endless[@]}" random-write
	if limited_runs; then
		kill "-$signal" "$pid"
		ended
		expect_status "SIG$signal" $((128 + $(kill -l "$signal"))) && pass "SIG$signal"
		nothing_left "SIG$signal"
	else
		ended
		fail "SIG$signal" "it ended before with status $status" "$tmp/err"
	fi
done

# Nothing can be done about SIGKILL then and there, but the next one does it.
start "${endless[@]}" random-write
limited_runs || fail "SIGKILL" "it ended before" "$tmp/err"
kill -KILL "$pid"
ended
killed=$pid
left_by_bench >"$tmp/left"
if [ -s "$tmp/left" ]; then pass "SIGKILL leaves something"; else fail "SIGKILL leaves something" "nothing found"; fi
start "${small[@]}" scan
ended
expect_status "the next one" 0 && pass "the next one"
if grep -q "left by one that was killed: .*/fl-bench\.$killed\..*: removed" "$tmp/err"; then
	pass "the next one says what it removed"
else
	fail "the next one says what it removed" "it does not" "$tmp/err"
fi
pid=$killed nothing_left "the next one"
finish
