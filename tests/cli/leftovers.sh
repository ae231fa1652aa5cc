#!/bin/bash
# Nothing is left behind: no process, no file in $TMPDIR, /dev/shm or the
# working directory, no System V memory; after a normal end and after kills.
# shellcheck disable=SC2016 # the inner shells expand
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
own_shared_memory "$@" # others make System V objects at the same time
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

state() {
	ls -A "$TMPDIR" "$tmp/cwd"
	find /dev/shm /run /tmp -maxdepth 1 -iname '*faultline*' 2>/dev/null
	awk 'NR > 1 { print $1, $2 }' /proc/sysvipc/shm 2>/dev/null
}

# after NAME COMMAND...
after() {
	local name=$1 leftover=0
	shift
	state >"$tmp/before"
	(cd "$tmp/cwd" && "$SAMPLER" -i 0 -o "$tmp/sample" -t "$FL_TEST_TIMEOUT" -- "$@") >"$tmp/out" 2>"$tmp/err" </dev/null
	leftover=$(sampled "$tmp/sample" leftover)
	state >"$tmp/after"
	if ! cmp -s "$tmp/before" "$tmp/after"; then
		diff "$tmp/before" "$tmp/after" >"$tmp/diff"
		fail "$name" "something is left" "$tmp/diff" "$tmp/err"
	elif [ "$leftover" -ne 0 ]; then
		fail "$name" "$leftover processes are left" "$tmp/err"
	else
		pass "$name"
	fi
}

mkdir "$tmp/cwd"
run=("$FAULTLINE" run --quiet --ram 16M --)
after "normal end" "${run[@]}" "$PROGRAMS/sem-fork-write"
# The one who kills stays until the other is gone, else he is what is left for a moment.
after "exit in the middle" "${run[@]}" sh -c 'sh -c "kill -9 \$\$; sleep 60"; true'
after "killed under pressure" "${run[@]}" sh -c '"$0" & sleep 0.3; kill -9 $!; wait' "$PROGRAMS/sem-threads64"
after "no such program" "$FAULTLINE" run --ram 16M -- /nonexistent/program
after "500 short programs" "${run[@]}" sh -c 'i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done'

# The tool itself is killed: the program ends too, or goes on and leaves nothing.
after "the tool is killed" sh -c '"$@" & sleep 0.5; kill -9 $!; wait $!; i=0
	while [ $i -lt 100 ] && pgrep -P $$ >/dev/null; do sleep 0.1; i=$((i+1)); done' sh "${run[@]}" sleep 5
finish
