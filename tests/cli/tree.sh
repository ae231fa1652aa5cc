#!/bin/bash
# shellcheck disable=SC2016 # the filters are jq's
# shellcheck disable=SC2034 # what the shared functions read
# ps of a process tree: who is shown, and whether the figures are those of the memory it has.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

have jq || skip_all "jq is not installed"
[ -x /usr/bin/python3 ] || skip_all "python3 is not installed"

# A parent with 16 MiB, a child that has written 4 of them, a grandchild with two more threads.
# Each says its number and waits.
cat >"$tmp/tree.py" <<-'PY'
	import ctypes, mmap, os, sys, threading
	MB = 1 << 20
	libc = ctypes.CDLL(None)
	def say(who):
	    os.write(1, b"%s %d\n" % (who, os.getpid()))
	def wait():
	    sys.stdin.read()
	area = mmap.mmap(-1, 16 * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
	for i in range(0, 16 * MB, 4096):
	    area[i] = i // 4096 % 255 + 1
	if os.fork() == 0:
	    for i in range(0, 4 * MB, 4096):
	        area[i] = 99
	    if os.fork() == 0:
	        libc.prctl(15, b"a \"name\")", 0, 0, 0)
	        for _ in range(2):
	            threading.Thread(target=wait).start()
	        # memory that is found in /proc, which does not tell stacks from the rest
	        segment = libc.shmget(0, 4096, 0o600)
	        libc.shmat(segment, None, 0)
	        libc.shmctl(segment, 0, None)
	        say(b"grandchild")
	        wait()
	    else:
	        say(b"child")
	        wait()
	else:
	    say(b"parent")
	    wait()
PY
mkfifo "$tmp/in" "$tmp/from"

# start: the tree; sets $parent, $child, $grandchild and $tool.
start() {
	"$FAULTLINE" run --quiet --stats "$tmp/stats" -- /usr/bin/python3 "$tmp/tree.py" \
		<"$tmp/in" >"$tmp/from" &
	tool=$!
	exec 7>"$tmp/in" 8<"$tmp/from"
	parent='' child='' grandchild=''
	for _ in 1 2 3; do
		read -r -t "$FL_TEST_TIMEOUT" who number <&8 || return
		case $who in
		parent) parent=$number ;;
		child) child=$number ;;
		grandchild) grandchild=$number ;;
		esac
	done
	[ -n "$parent" ] && [ -n "$child" ] && [ -n "$grandchild" ]
}

# ends NAME: the tree ends by itself, all of it: the pipes are used again.
ends() {
	exec 7>&-
	wait "$tool"
	status=$?
	cat <&8 >"$tmp/rest"
	exec 8<&-
	expect_status "$1" 0 && pass "$1"
}

# json NAME FILTER: the filter is true for $tmp/out, in which $p, $c and $g are the processes.
json() {
	if jq -e --argjson p "$parent" --argjson c "$child" --argjson g "$grandchild" "$2" \
		"$tmp/out" >/dev/null 2>"$tmp/err"; then
		pass "$1"
	else
		fail "$1" "not true: $2" "$tmp/err" "$tmp/out"
	fi
}

start || { fail "a tree" "it did not start" && finish; }
ran "$FAULTLINE" ps --json --interval 0.01 "$grandchild"
expect_status "ps --json" 0 && {
	json "one tree" '.trees | length == 1'
	json "its three processes" '[.trees[0].processes[].pid] | sort == ([$p, $c, $g] | sort)'
	json "parents" '[.trees[0].processes[] | select(.pid == $c).ppid, select(.pid == $g).ppid] == [$p, $c]'
	json "threads" '[.trees[0].processes[] | select(.pid == $p).threads, select(.pid == $g).threads] == [1, 3]'
	json "a new name" '.trees[0].processes[] | select(.pid == $g).comm == "a \"name\")"'
	json "16 MiB resident in each" '[.trees[0].processes[].rss_bytes >= 16777216] | all'
	json "12 MiB shared with all, 4 with the child" '
		[.trees[0].processes[] | {key: "\(.pid)", value: (.shared_bytes / 1048576)}] | from_entries |
		.["\($p)"] >= 12 and .["\($p)"] < 15.9 and .["\($c)"] >= 16 and .["\($g)"] >= 16'
	json "COW breaks" '.trees[0].processes[] | select(.pid == $c).pgfault_cow >= 1024'
	json "the tree's memory, each frame once" '.trees[0] |
		.ram_used_bytes >= 20 * 1048576 and .ram_used_bytes < ([.processes[].rss_bytes] | add) - 24 * 1048576'
}
ran "$FAULTLINE" ps --interval 0.01 "$parent" "$child" "$tool"
expect_status "ps" 0 && {
	if [ "$(wc -l <"$tmp/out")" -eq 5 ] && [ "$(awk 'length > 80' "$tmp/out")" = "" ]; then
		pass "ps" "a line each, 80 columns"
	else
		fail "ps" "not a heading, three processes and the total in 80 columns" "$tmp/out"
	fi
	for i in "$parent" "$child" "$grandchild"; do
		grep -q "^ *$i [RSD] " "$tmp/out" || fail "ps" "no line of process $i" "$tmp/out"
	done
}
ran "$FAULTLINE" ps --interval 0.01 --wide
if grep -q "^ *$parent .*python3 $tmp/tree.py$" "$tmp/out"; then
	pass "ps of all, wide"
else
	fail "ps of all, wide" "process $parent is not there with all its words" "$tmp/out" "$tmp/err"
fi
ran "$FAULTLINE" maps "$grandchild"
expect_status "maps" 0 && {
	stacks=$(grep -c ' rw-p .* \[thread stack\]$' "$tmp/out")
	if [ "$stacks" -eq 2 ] && grep -q '^threads  *3$' "$tmp/out"; then
		pass "maps names the stacks of threads"
	else
		fail "maps names the stacks of threads" "$stacks of 2, or not 3 threads" "$tmp/out"
	fi
}
ran "$FAULTLINE" check --tree "$child"
expect_status "check --tree" 0 && {
	if grep -q "^faultline check: tree of $child: 3 processes, .*: add up$" "$tmp/out" &&
		[ "$(grep -c 'pages: agree$' "$tmp/out")" -eq 3 ]; then
		pass "check --tree" "$(head -1 "$tmp/out")"
	else
		fail "check --tree" "not a line of the tree and one of each process" "$tmp/out" "$tmp/err"
	fi
}
kill -STOP "$child"
until grep -q "^State:.T" "/proc/$child/status"; do
	sleep 0.01 # it stops on its way back from the kernel
done
ran "$FAULTLINE" ps --interval 0.01 "$child"
expect_status "ps of a stopped process" 0 && {
	if grep -q "^ *$child T " "$tmp/out"; then
		pass "ps of a stopped process"
	else
		fail "ps of a stopped process" "it is not shown as stopped" "$tmp/out"
	fi
}
kill -CONT "$child"
if [ "$(id -u)" -eq 0 ]; then
	make_nobody_tool
	ran "${nobody[@]}" "$nobody_tool" ps "$parent"
	expect_error "ps of another user's process" 1 "$parent"
	ran "${nobody[@]}" "$nobody_tool" ps
	expect_status "ps of all by another user" 0 && {
		if ! grep -q "^ *$parent " "$tmp/out" && [ ! -s "$tmp/err" ]; then
			pass "ps of all by another user"
		else
			fail "ps of all by another user" "shown, or a complaint" "$tmp/out" "$tmp/err"
		fi
	}
else
	skip "another user's processes" "needs root"
fi
kill -KILL "$grandchild"
while [ -e "/proc/$grandchild/status" ] && ! grep -q "^State:.Z" "/proc/$grandchild/status"; do
	sleep 0.01 # its parent has not asked for it, or init has
done
ends "the tree ends"
cp "$tmp/stats" "$tmp/out"
json "--stats names processes as they are called" '[.processes[] | select(.pid == $g).comm] == ["a \"name\")"]'
json "--stats counts threads" '[.processes[] | select(.pid == $g or .pid == $c).threads_peak] | sort == [1, 3]'
json "--stats knows who has ended" '[.processes[] | select(.pid == $p or .pid == $g).alive] == [false, false]'

# A tree whose processes come, write to what they share, and are killed, in half of its memory.
cat >"$tmp/storm.py" <<-'PY'
	import os, random, select
	area = bytearray(os.urandom(1 << 20) * 24)
	def write(n):
	    for _ in range(n):
	        area[random.randrange(len(area))] = 1
	print(os.getpid(), flush=True)
	while not select.select([0], [], [], 0)[0]:
	    pids = []
	    for _ in range(3):
	        pid = os.fork()
	        if not pid:
	            random.seed(os.getpid())
	            os.fork()
	            write(500)
	            os._exit(0)
	        pids.append(pid)
	    write(500)
	    os.kill(pids[0], 9)
	    for pid in pids:
	        os.waitpid(pid, 0)
PY
"$FAULTLINE" run --quiet --ram 12M -- /usr/bin/python3 "$tmp/storm.py" <"$tmp/in" >"$tmp/from" &
tool=$!
exec 7>"$tmp/in" 8<"$tmp/from"
if read -r -t "$FL_TEST_TIMEOUT" parent <&8; then
	for ((i = 0; i < 10; i++)); do
		ran "$FAULTLINE" check --tree "$parent"
		[ $status -eq 0 ] || break
	done
	expect_status "check --tree of a storm" 0 && pass "check --tree of a storm" "10 times"
else
	fail "check --tree of a storm" "it did not start"
fi
ends "the storm ends"

# A process whose main thread has ended: its other threads have memory, /proc/PID knows of none.
cat >"$tmp/headless.py" <<-'PY'
	import ctypes, os, sys, threading
	threading.Thread(target=sys.stdin.read).start()
	area = bytearray(os.urandom(1 << 20) * 4)
	print(os.getpid(), flush=True)
	ctypes.CDLL(None).syscall(60, 0)
PY
"$FAULTLINE" run --quiet -- /usr/bin/python3 "$tmp/headless.py" <"$tmp/in" >"$tmp/from" &
tool=$!
exec 7>"$tmp/in" 8<"$tmp/from"
read -r -t "$FL_TEST_TIMEOUT" parent <&8
until grep -q "^State:.Z" "/proc/$parent/status"; do
	sleep 0.01
done
ran "$FAULTLINE" ps --interval 0.01 "$parent"
if grep -q "^ *$parent Z    1 " "$tmp/out"; then
	pass "ps without a main thread"
else
	fail "ps without a main thread" "not one thread" "$tmp/out" "$tmp/err"
fi
ran "$FAULTLINE" check --tree "$parent"
expect_status "check without a main thread" 0 && {
	if grep -q "^faultline check: $parent: .*: agree$" "$tmp/out"; then
		pass "check without a main thread"
	else
		fail "check without a main thread" "it was not compared" "$tmp/out" "$tmp/err"
	fi
}
ran "$FAULTLINE" smaps --rollup "$parent"
if [ "$(awk '$1 == "Anonymous:" { print $2 }' "$tmp/out")" -ge 4096 ]; then
	pass "smaps without a main thread"
else
	fail "smaps without a main thread" "not 4096 KiB" "$tmp/out" "$tmp/err"
fi
ends "without a main thread it ends"

# A daemon outlives the program; its end is that of its standard input.
"$FAULTLINE" run --quiet --stats "$tmp/stats" -- /usr/bin/python3 -c \
	'import os; os.fork() or os.read(0, 1)' <"$tmp/in" &
tool=$!
exec 7>"$tmp/in"
wait "$tool"
cp "$tmp/stats" "$tmp/out"
json "--stats knows who still runs" '[.processes[].alive] | sort == [false, true]'
exec 7>&-

# The summary: a line for each process, ten at most.
for n in 0 2 14; do
	ran "$FAULTLINE" run -- bash -c "for ((i = 0; i < $n; i++)); do (:); done"
	lines=$(grep -c '^faultline:  *[0-9]* .* bash$' "$tmp/err")
	more=$(sed -n 's/^faultline:   and \([0-9]*\) more with [0-9]* faults$/\1/p' "$tmp/err")
	want=$((n == 0 ? 0 : n < 10 ? n + 1 : 10))
	if [ "$lines" -eq $want ] && [ "${more:-0}" -eq $((n < 10 ? 0 : n - 9)) ] &&
		[ "$(awk 'length > 100' "$tmp/err")" = "" ]; then
		pass "the summary with $n children"
	else
		fail "the summary with $n children" "not $want lines of processes" "$tmp/err"
	fi
done
ran "$FAULTLINE" ps "$parent"
expect_error "ps of a tree that has ended" 1 "$parent"
for i in x -1 0 0.001 99999999; do
	ran "$FAULTLINE" ps "--interval=$i"
	expect_error "ps --interval=$i" 2 "$i"
done
finish
