#!/bin/bash
# A real program natively, then in a quarter of the memory it needs.
#
#	bench/demo.sh [EVENTS]
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../tests/lib.sh"

events=${1:-1000000}
job=$FL_TOP/bench/demo-job.py
export PYTHONHASHSEED=0
need_faultline
have /usr/bin/python3 || skip_all "Debian's python3 is not installed"
make_tmp

now_ms() {
	printf '%s\n' $((${EPOCHREALTIME/./} / 1000))
}

seconds() { # MS
	printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100))
}

# go LABEL PREFIX...: leaves the output in $tmp/LABEL, the sampler's figures, and the time.
go() {
	local label=$1 start
	shift
	start=$(now_ms)
	"$SAMPLER" -x faultline -o "$tmp/$label.sample" -- "$@" /usr/bin/python3 "$job" "$events" >"$tmp/$label"
	status=$?
	elapsed=$(($(now_ms) - start))
	peak=$(sampled "$tmp/$label.sample" peak_kib)
	[ "$status" -eq 0 ] || { echo "demo: $label: exit status $status" >&2; exit 1; }
}

echo
echo "1. A Python program that groups $events events of a log by session. Natively:"
go native
native_ms=$elapsed native_peak=$peak
ram=$((native_peak / 4))
echo "   $(seconds "$native_ms"), at most $((native_peak / 1024)) MiB of anonymous memory"
echo
echo "2. The same program in a quarter of that:"
echo "   \$ faultline run --ram ${ram}K -- python3 ${job##*/} $events"
go under "$FAULTLINE" run --stats "$tmp/stats" --ram "${ram}K" --
echo
echo "3. What came of it:"
sed 's/^/   | /' "$tmp/under"
if ! cmp -s "$tmp/native" "$tmp/under"; then
	echo "   The results DIFFER:"
	diff "$tmp/native" "$tmp/under" | sed 's/^/   /'
	exit 1
fi
limit=$(resident_limit_kib "$tmp/stats" "$ram")
unmanaged=$((limit - ram))
echo "   The same results, byte for byte."
echo
printf '   %-34s %12s %12s\n' '' natively 'a quarter'
printf '   %-34s %12s %12s\n' 'time' "$(seconds "$native_ms")" "$(seconds "$elapsed")"
printf '   %-34s %8d MiB %8d MiB\n' 'anonymous memory, seen from outside' \
	$((native_peak / 1024)) $((peak / 1024))
printf '   %-34s %12s %8d MiB\n' '  allowed: --ram' - $((ram / 1024))
printf '   %-34s %12s %8d MiB\n' '  and what is not managed' - $((unmanaged / 1024))
printf '   %-34s %12s %12d\n' 'faults resolved by Faultline' - "$(stat_of "$tmp/stats" pgfault)"
printf '   %-34s %12s %12d\n' '  that read from swap' - "$(stat_of "$tmp/stats" pgmajfault)"
printf '   %-34s %12s %8d MiB\n' 'written to swap' - $(($(stat_of "$tmp/stats" pswpout) / 256))
printf '   %-34s %12s %8d MiB\n' 'read from swap' - $(($(stat_of "$tmp/stats" pswpin) / 256))
if [ "$peak" -gt "$limit" ]; then
	echo "   The bound was NOT kept."
	exit 1
fi
