#!/bin/bash
# stress-ng with --verify in 64 MiB: no failure line, exit status 0.
#
#	tests/stress/stress-ng.sh
#
# FL_STRESS_SECS shortens: seconds for --vm (30 by default), a third of it for
# the others.
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

secs=${FL_STRESS_SECS:-30}
others=$(((secs + 2) / 3))
need_faultline
have stress-ng || skip_all "stress-ng is not installed"
make_tmp

# stress NAME SECONDS OPTIONS...
stress() {
	local name=$1 seconds=$2 status
	shift 2
	rm -f "$tmp/stats"
	mkdir -p "$tmp/work"
	"$SAMPLER" -i 0 -t $((seconds * 4 + 60)) -- "$FAULTLINE" run "${run_options[@]}" --quiet --stats "$tmp/stats" --ram 64M -- \
		stress-ng --temp-path "$tmp/work" --verify --oomable --timeout "${seconds}s" "$@" >"$tmp/log" 2>&1
	status=$?
	rm -rf "$tmp/work"
	grep -E 'fail:|error:|[Cc]orrupt|terminated on signal|[1-9][0-9]* failed|unsuccessful' "$tmp/log" >"$tmp/bad"
	if [ "$status" -ne 0 ]; then
		fail "$name" "exit status $status" "$tmp/log"
	elif [ -s "$tmp/bad" ]; then
		fail "$name" "failures in the log" "$tmp/bad"
	elif ! grep -q 'successful run completed' "$tmp/log"; then
		fail "$name" "no successful end in the log" "$tmp/log"
	else
		pass "$name" "$seconds s, pswpout $(stat_of "$tmp/stats" pswpout)"
	fi
}

stress vm "$secs" --vm 2 --vm-bytes 256M --vm-method all
stress malloc "$others" --malloc 2
stress brk "$others" --brk 2
stress mmap "$others" --mmap 2 --mmap-bytes 128M
stress mremap "$others" --mremap 2 --mremap-bytes 64M
stress fork "$others" --fork 2
finish
