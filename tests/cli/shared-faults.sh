#!/bin/bash
# Faults on shared file mappings, which the kernel resolves: as many are counted as the kernel says
# (getrusage(2)), in threads, children and system calls, whoever runs it; and a program that may not
# ask for them runs on. What is mapped so is the page cache's own memory: a process that is not
# managed has the same frames.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

have python3 || skip_all "python3 is not installed"
program=$PROGRAMS/shared-faults
mkdir "$tmp/files"
mkfifo "$tmp/in" "$tmp/from"

# Runs a command of which one call, given by its number, ends the process.
cat >"$tmp/deadly.py" <<-'PY'
	import ctypes, os, struct, sys
	libc = ctypes.CDLL(None, use_errno=True)
	op = lambda code, true, false, k: struct.pack("HBBI", code, true, false, k)
	code = op(0x20, 0, 0, 0) + op(0x15, 0, 1, int(sys.argv[1])) + op(6, 0, 0, 0x80000000) + op(6, 0, 0, 0x7fff0000)
	code = ctypes.create_string_buffer(code)
	filter = struct.pack("HxxxxxxQ", 4, ctypes.addressof(code))
	libc.prctl(38, 1, 0, 0, 0)
	if libc.prctl(22, 2, ctypes.create_string_buffer(filter), 0, 0):
	    sys.exit(77)
	os.execv(sys.argv[2], sys.argv[2:])
PY

# The frames of a mapping, by another process's and by its own of the same file.
cat >"$tmp/frames.py" <<-'PY'
	import ctypes, mmap, os, struct, sys
	pid, name, at = sys.argv[1], sys.argv[2], int(sys.argv[3])
	fd = os.open(name, os.O_RDWR)
	size = 600 * 4096
	mine = mmap.mmap(fd, size)
	for page in range(600):
	    mine[page * 4096]
	def frames(pid, at):
	    with open("/proc/%s/pagemap" % pid, "rb", buffering=0) as f:
	        f.seek(at // 4096 * 8)
	        return [e & (1 << 55) - 1 for e in struct.unpack("600Q", f.read(600 * 8)) if e >> 63]
	of_it, of_us = frames(pid, at), frames("self", ctypes.addressof(ctypes.c_char.from_buffer(mine)))
	print(len(of_it), "frames")
	sys.exit(of_it != of_us or len(of_it) != 600 or 0 in of_it)
PY

# expect_counted NAME LINE LESS: statistics against the program's own sums, less at most LESS
expect_counted() {
	local minor major in_calls counted
	read -r minor major in_calls <<<"$2"
	counted=$(stat_of "$tmp/stats" pgfault_shared_file)
	if [ "$counted" -le $((minor + major)) ] && [ "$counted" -ge $((minor + major - $3 * in_calls)) ] &&
		[ "$(stat_of "$tmp/stats" pgmajfault_shared_file)" -le "$major" ] &&
		[ $((minor + major)) -gt 20000 ] && [ "$in_calls" -gt 0 ]; then
		pass "$1" "$minor minor, $major major"
	else
		grep shared_file "$tmp/stats" >"$tmp/counted"
		fail "$1" "the kernel has counted $minor minor, $major major" "$tmp/counted"
	fi
}

# The tool asks the same of the kernel, with a counter for itself.
may_ask() {
	"$@" python3 - <<-'PY'
		import ctypes, struct
		attr = struct.pack("IIQQQQQ", 1, 112, 5, 1, 8, 0, 1 << 5) + bytes(64)
		raise SystemExit(ctypes.CDLL(None).syscall(298, attr, 0, -1, -1, 0) < 0)
	PY
}

if may_ask; then
	ran "$FAULTLINE" run --quiet --ram 16M --stats "$tmp/stats" -- "$program" "$tmp/files"
	expect_status "faults are counted" 0 && expect_counted "faults are counted" "$(cat "$tmp/out")" 0
else
	skip "faults are counted" "perf_event_open(2) is refused"
fi

less=-sys_admin,-perfmon,-ipc_lock
without=(setpriv "--bounding-set=$less" "--inh-caps=$less")
if may_ask "${without[@]}"; then
	ran "${without[@]}" "$FAULTLINE" run --quiet --ram 16M --stats "$tmp/stats" -- "$program" "$tmp/files"
	# those in system calls are not to be seen
	expect_status "without capabilities" 0 && expect_counted "without capabilities" "$(cat "$tmp/out")" 1
else
	skip "without capabilities" "perf_event_open(2) is refused"
fi

ran python3 "$tmp/deadly.py" 298 "$FAULTLINE" run --quiet --ram 16M --stats "$tmp/stats" -- "$program" "$tmp/files"
if [ "$status" -eq 77 ]; then
	skip "where asking is deadly" "no seccomp filter"
elif expect_status "where asking is deadly" 0; then
	if [ "$(stat_of "$tmp/stats" pgfault_shared_file)" -eq 0 ] && [ ! -s "$tmp/err" ]; then
		pass "where asking is deadly"
	else
		fail "where asking is deadly" "there was something to say" "$tmp/stats" "$tmp/err"
	fi
fi

"$FAULTLINE" run --quiet --ram 16M --stats "$tmp/stats" -- "$program" "$tmp/files" wait <"$tmp/in" >"$tmp/from" &
tool=$!
exec 7>"$tmp/in" 8<"$tmp/from"
read -r -t "$FL_TEST_TIMEOUT" pid name at faults <&8 || { fail "a program" "it did not start" && finish; }
if ran python3 "$tmp/frames.py" "$pid" "$name" "$at" && [ "$status" -eq 0 ]; then
	pass "the page cache's own frames" "$(cat "$tmp/out")"
else
	fail "the page cache's own frames" "others" "$tmp/out" "$tmp/err"
fi
ran "$FAULTLINE" maps --json "$pid"
if may_ask; then
	json_true "the faults of an area" '[v["faults"] for v in o["vmas"] if int(v["start"], 16) == at] == [faults]' \
		"at=$at" "faults=$faults"
	json_true "other areas" 'all(not v["faults"] for v in o["vmas"] if v["owner"] == "faultline")'
fi
ran "$FAULTLINE" check "$pid"
expect_status "check agrees" 0 && pass "check agrees"
exec 7>&-
wait "$tool"
exec 8<&-
finish
