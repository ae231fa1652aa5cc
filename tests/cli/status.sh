#!/bin/bash
# Exit status, signals, and what goes to the program's standard output and error.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

run=("$FAULTLINE" run --quiet --ram 64M --)

for n in 0 1 7 125 255; do
	ran "${run[@]}" sh -c "exit $n"
	expect_status "exit $n" "$n" && pass "exit $n"
done
# shellcheck disable=SC2016 # the inner shell's
for sig in TERM:143 KILL:137 SEGV:139 ABRT:134 INT:130; do
	ran "${run[@]}" sh -c 'ulimit -c 0; kill -$0 $$' "${sig%:*}"
	expect_status "killed by ${sig%:*}" "${sig#*:}" && pass "killed by ${sig%:*}"
done

# The output is the program's, byte by byte, and standard input reaches it.
head -c 300000 /dev/urandom >"$tmp/data"
"${run[@]}" cat <"$tmp/data" >"$tmp/out" 2>"$tmp/err"
if cmp -s "$tmp/data" "$tmp/out" && [ ! -s "$tmp/err" ]; then
	pass "cat of random bytes"
else
	fail "cat of random bytes" "changed, or something on standard error" "$tmp/err"
fi
ran "${run[@]}" sh -c 'echo out; echo err >&2'
if [ "$(cat "$tmp/out" "$tmp/err")" = "$(printf 'out\nerr')" ]; then
	pass "--quiet adds nothing"
else
	fail "--quiet adds nothing" "another output" "$tmp/out" "$tmp/err"
fi
ran "$FAULTLINE" run --ram 64M -- sh -c 'echo out'
if [ "$(cat "$tmp/out")" = out ] && [ -s "$tmp/err" ] && [ "$(wc -l <"$tmp/err")" -le 10 ]; then
	pass "the summary" "$(wc -l <"$tmp/err") lines on standard error"
else
	fail "the summary" "not one to ten lines on standard error only" "$tmp/out" "$tmp/err"
fi
ran "$FAULTLINE" run --quiet --ram 64M --stats - -- true
if command -v jq >/dev/null; then
	if jq -e '.pgfault >= 0 or .totals.pgfault >= 0' "$tmp/err" >/dev/null 2>&1 && [ ! -s "$tmp/out" ]; then
		pass "--stats -"
	else
		fail "--stats -" "standard error is not one JSON object with pgfault" "$tmp/err" "$tmp/out"
	fi
else
	skip "--stats -" "jq is not installed"
fi

# Ctrl-C goes to the foreground group: a program that catches it ends as it
# likes, one that does not ends by the signal, and the tool survives neither.
cat >"$tmp/catch.py" <<-'PY'
	import signal, sys, time
	def stop(*_):
	    print("caught", flush=True)
	    sys.exit(9)
	signal.signal(signal.SIGINT, stop)
	print("ready", flush=True)
	time.sleep(60)
PY
cat >"$tmp/group.py" <<-'PY'
	import os, signal, subprocess, sys
	# A group of its own, as a shell makes one for a foreground job.
	p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, preexec_fn=lambda: (os.setpgid(0, 0),
	    signal.signal(signal.SIGINT, signal.default_int_handler)))
	assert p.stdout.readline() == b"ready\n"
	os.killpg(p.pid, signal.SIGINT)
	sys.stdout.write(p.stdout.read().decode())
	status = p.wait()
	print(128 - status if status < 0 else status)
PY
if [ -x /usr/bin/python3 ]; then
	ran /usr/bin/python3 "$tmp/group.py" "${run[@]}" /usr/bin/python3 "$tmp/catch.py"
	if [ "$(cat "$tmp/out")" = "$(printf 'caught\n9')" ]; then
		pass "Ctrl-C, caught"
	else
		fail "Ctrl-C, caught" "not 'caught' and 9" "$tmp/out" "$tmp/err"
	fi
	ran /usr/bin/python3 "$tmp/group.py" "${run[@]}" sh -c 'trap - INT; echo ready; exec sleep 60'
	if [ "$(cat "$tmp/out")" = 130 ]; then
		pass "Ctrl-C, not caught"
	else
		fail "Ctrl-C, not caught" "not 130" "$tmp/out" "$tmp/err"
	fi
else
	skip "Ctrl-C" "python3 is not installed"
fi
finish
