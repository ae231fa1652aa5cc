#!/bin/bash
# Limits on address space and data that are in force before the start: they count the program's
# memory and not Faultline's, as far as they may be raised, and the program starts if it would natively.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

no_limit=18446744073709551615
started=("$PROGRAMS/sem-rlimits" started)
run=("$FAULTLINE" run --quiet --stats "$tmp/stats" --ram 16M --)

# limited ULIMIT-OPTION COMMAND...: the option as -Sv=1000
limited() {
	# shellcheck disable=SC2016 # the inner shell's
	ran bash -c 'ulimit "${1%%=*}" "${1##*=}" && shift && exec "$@"' bash "$@"
}

# managed NAME: a process was, and its status is 0.
managed() {
	expect_status "$1" 0 || return
	if [ -s "$tmp/err" ]; then
		fail "$1" "something on standard error" "$tmp/err"
	elif [ "$(stat_of "$tmp/stats" processes_seen)" -eq 0 ]; then
		fail "$1" "no process was managed" "$tmp/stats"
	else
		pass "$1"
	fi
}

# as_natively NAME ULIMIT-OPTION ARGUMENT...: what sem-rlimits is to find, natively and under Faultline.
as_natively() {
	local name=$1 option=$2
	shift 2
	limited "$option" "${started[@]}" "$@"
	expect_status "$name natively" 0 || return
	rm -f "$tmp/stats"
	limited "$option" "${run[@]}" "${started[@]}" "$@"
	managed "$name"
}

as_natively "soft limit on address space" -Sv=100000 102400000 "$no_limit" "$no_limit" "$no_limit"
as_natively "soft limit on data" -Sd=50001 "$no_limit" "$no_limit" 51201024 "$no_limit"
as_natively "small soft limit" -Sv=6000 6144000 "$no_limit" "$no_limit" "$no_limit"

# The values of a hard limit are right in any case. What is left of it need not be all.
# shellcheck disable=SC2016 # the inner shell's
limited -v=300000 "${run[@]}" bash -c '[ "$(ulimit -v) $(ulimit -Hv)" = "300000 300000" ]'
managed "hard limit on address space"
limited -v=300000 "${run[@]}" "$PROGRAMS/sem-zero"
managed "hard limit on address space, and swapping"
limited -d=200000 "${run[@]}" "$PROGRAMS/sem-zero"
managed "hard limit on data, and swapping"
# shellcheck disable=SC2016 # the inner shell's
limited -v=100000 "$FAULTLINE" run --quiet -- bash -c '[ "$(ulimit -v) $(ulimit -Hv)" = "100000 100000" ] && exit 5'
if [ "$status" -eq 5 ] && [ ! -s "$tmp/err" ]; then
	pass "hard limit that all memory does not fit into"
else
	expect_warning "hard limit that all memory does not fit into" 5 ""
fi
limited -v=100000 "$FAULTLINE" run --quiet --strict -- true
if [ "$status" -ne 0 ] || [ -s "$tmp/err" ]; then
	expect_error "hard limit that all memory does not fit into, --strict" 125
fi
# shellcheck disable=SC2016 # the inner shell's
limited -v=20000 "$FAULTLINE" run --quiet --ram 16M -- bash -c '[ "$(ulimit -v)" = 20000 ] && exit 5'
if [ "$status" -eq 5 ] && [ ! -s "$tmp/err" ]; then
	pass "hard limit that nothing fits into"
else
	expect_warning "hard limit that nothing fits into" 5 ""
fi

# A program that is started by a managed one and is not managed itself; and one that cannot be started.
cat >"$tmp/static.c" <<-'C'
	#include <stdio.h>
	#include <sys/resource.h>
	int main(void)
	{
		struct rlimit l;
		return getrlimit(RLIMIT_AS, &l) || printf("%lu\n", (unsigned long)l.rlim_cur) < 0;
	}
C
if have gcc && gcc -static -o "$tmp/static" "$tmp/static.c" 2>/dev/null; then
	cp "$tmp/static" "$tmp/refused" && chmod 644 "$tmp/refused"
	# shellcheck disable=SC2016 # the inner shell's
	ran "${run[@]}" bash -c 'ulimit -v 100000 && "$0" && sh -c "exec \$0" "$0"' "$tmp/static"
	if [ "$(cat "$tmp/out")" = "$(printf '102400000\n102400000')" ]; then
		managed "a static program"
	else
		fail "a static program" "another limit" "$tmp/out" "$tmp/err"
	fi
	# shellcheck disable=SC2016 # the inner shell's
	ran "${run[@]}" bash -c 'shopt -s execfail && ulimit -v 100000
		exec "$0" 2>/dev/null
		[ "$(ulimit -v)" = 100000 ] && exec "$@" started 102400000 102400000 '"$no_limit $no_limit" \
		"$tmp/refused" "$PROGRAMS/sem-rlimits"
	managed "a static program that is refused"
else
	skip "a static program" "gcc -static does not work here"
fi

# One tool under another.
limited -Sv=400000 "${run[@]}" "$FAULTLINE" run --quiet --ram 8M -- "${started[@]}" 409600000 "$no_limit" "$no_limit" "$no_limit"
managed "a tool that is managed itself"

# Where all that is reserved counts (vm.overcommit_memory=2) it is little. The setting is the whole
# machine's: only the file that tells it is another one here.
# shellcheck disable=SC2016 # awk's
reserved=$("$FAULTLINE" run --quiet --ram 16M -- awk '/^VmData/ { print $2 }' /proc/self/status)
echo 2 >"$tmp/two"
# shellcheck disable=SC2016 # the inner shell's
ran unshare --mount sh -c 'mount --bind "$0" /proc/sys/vm/overcommit_memory && exec "$@"' "$tmp/two" \
	"${run[@]}" awk '/^VmData/ { print $2 }' /proc/self/status
if [ "$status" -ne 0 ] && ! grep -q faultline "$tmp/err"; then
	skip "vm.overcommit_memory=2" "$(head -1 "$tmp/err")"
elif managed "vm.overcommit_memory=2" && [ "$(cat "$tmp/out")" -ge $((reserved / 4)) ]; then
	fail "vm.overcommit_memory=2" "$(cat "$tmp/out") KiB are reserved, and $reserved otherwise"
fi

# The kernel's own limits, for those who are not managed, are no lower than the program's.
# shellcheck disable=SC2016 # the inner shell's
ran "${run[@]}" bash -c 'ulimit -Sv 500000 && [ "$(awk "/Max address space/ { print \$4 }" /proc/self/limits)" -ge 512000000 ]'
managed "the limits in /proc"
finish
