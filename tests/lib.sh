# Shared by the test scripts: where things are, counting, a temporary
# directory, and cleaning up on every way out. Sourced with the repository's
# top in nothing else than $BASH_SOURCE; FL_BUILD names another build directory.
# shellcheck shell=bash

set -u
export LC_ALL=C
FL_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
FL_BUILD=$(cd "${FL_BUILD:-$FL_TOP/build}" 2>/dev/null && pwd) || FL_BUILD=$FL_TOP/build
FAULTLINE=$FL_BUILD/tools/faultline
LIBFAULTLINE=$FL_BUILD/lib/libfaultline.so
PROGRAMS=$FL_BUILD/tests/programs
SAMPLER=$PROGRAMS/rss-sampler
# A guard against hangs, never a measure: seconds before a run is killed.
FL_TEST_TIMEOUT=${FL_TEST_TIMEOUT:-300}
# More options for each `faultline run`: other swap devices, policies, prefetchers. As in
# FL_OPTIONS="--swap zram" tests/run-semantics.
read -ra run_options <<<"${FL_OPTIONS:-}"
# shellcheck disable=SC2034 # for the scripts
readonly FL_TOP FL_BUILD FAULTLINE LIBFAULTLINE PROGRAMS SAMPLER run_options

passed=0 failed=0 skipped=0 tmp=""

pass() { # NAME [NOTE]
	passed=$((passed + 1))
	printf 'ok    %s%s\n' "$1" "${2:+ ($2)}"
}

fail() { # NAME WHY [FILE...]: the head of each file is shown
	failed=$((failed + 1))
	printf 'FAIL  %s: %s\n' "$1" "$2"
	shift 2
	local f
	for f; do
		[ -s "$f" ] || continue
		printf '      %s:\n' "${f##*/}"
		head -c 2000 "$f" | head -20 | sed 's/^/      | /'
	done
}

skip() { # NAME WHY
	skipped=$((skipped + 1))
	printf 'SKIP  %s: %s\n' "$1" "$2"
}

# Prints the closing line and leaves: 1 on failures, 77 when everything was skipped.
finish() {
	local line="$passed passed, $failed failed"
	[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
	printf '%s\n' "$line"
	[ "$failed" -eq 0 ] || exit 1
	[ "$passed" -gt 0 ] || [ "$skipped" -eq 0 ] || exit 77
	exit 0
}

# The whole script cannot run here.
skip_all() { # WHY
	printf 'SKIP  %s: %s\n' "${0##*/}" "$1"
	exit 77
}

need_faultline() {
	[ -x "$FAULTLINE" ] || skip_all "$FAULTLINE has not been built"
	[ -x "$SAMPLER" ] || skip_all "$SAMPLER has not been built"
}

# own_shared_memory "$@": the script starts again with /dev/shm, mounts and System V objects
# to itself, so that what is in shared_left is its own. Before make_tmp.
own_shared_memory() {
	local namespace
	namespace=$(readlink /proc/self/ns/ipc)
	if [ "${FL_NOT_OWN:-$namespace}" = "$namespace" ]; then
		unshare --mount --ipc true 2>/dev/null || skip_all "unshare: no namespaces of its own are permitted"
		FL_NOT_OWN=$namespace exec unshare --mount --ipc --propagation private "$0" "$@"
	fi
	unset FL_NOT_OWN
	mount -t tmpfs -o mode=1777 fl-test /dev/shm || skip_all "mount: no /dev/shm of its own"
	own_shared=yes
}

# A line for each thing in it, which is removed: the next run is not to be blamed for it.
shared_left() {
	[ -n "${own_shared:-}" ] || return
	find /dev/shm -mindepth 1 -print -delete
	awk 'FNR > 1 { print FILENAME, $1, $2 }' /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg
	ipcrm --all
}

# have PROGRAM...: false, with the first missing one in $missing.
have() {
	for missing; do
		command -v "$missing" >/dev/null 2>&1 || return 1
	done
}

# Makes $tmp, which is removed on every way out, after the functions that
# at_exit collected and after what still runs in the background was ended.
exit_functions=()
at_exit() {
	exit_functions+=("$1")
}

leave() {
	local status=$? f pids
	trap '' INT TERM HUP
	for f in "${exit_functions[@]}"; do
		"$f"
	done
	pids=$(jobs -p)
	# shellcheck disable=SC2086 # a list
	[ -z "$pids" ] || { kill $pids && wait $pids; } 2>/dev/null
	# The sampler ends a whole tree, which may still write there until it is gone.
	for ((f = 0; f < 100; f++)); do
		{ [ -z "$tmp" ] || rm -rf "$tmp"; } 2>/dev/null && break
		sleep 0.1
	done
	exit "$status"
}

make_tmp() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/fl-test.XXXXXX") || exit 1
	trap leave EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# guarded COMMAND...: run with the hang guard; the whole tree is killed in the end.
guarded() {
	"$SAMPLER" -i 0 -t "$FL_TEST_TIMEOUT" -- "$@"
}

# The total of a counter in a stats file: the totals stand before the list of processes.
stat_of() { # FILE KEY
	local n
	n=$(grep -o "\"$2\": *[0-9]*" "$1" 2>/dev/null | head -1)
	n=${n##*[!0-9]}
	printf '%s\n' "${n:-0}"
}

# What the process tree may have resident, in KiB: the budget and what is reported as unmanaged.
resident_limit_kib() { # STATS RAM_KIB
	printf '%s\n' $(($2 + ($(stat_of "$1" unmanaged_peak_bytes) + 1023) / 1024))
}

# One key of the sampler's file.
sampled() { # FILE KEY
	awk -v key="$2" '$1 == key { print $2; found = 1 } END { if (!found) print 0 }' "$1"
}
