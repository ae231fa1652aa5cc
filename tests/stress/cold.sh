#!/bin/bash
# Who needs memory gets it from those whose pages are cold: a child that works on more
# than is left beside a sleeping parent soon has all it needs, whether the parent's pages
# are the parent's alone or shared by both.
#
#	tests/stress/cold.sh
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

need_faultline
have jq || skip_all "jq is not installed"
make_tmp
work_mib=24 rounds=300

# giver NAME OPTION...: 48 MiB of which the parent's 40 are cold
giver() {
	local name=$1 child pages faults
	shift
	rm -f "$tmp/stats"
	guarded "$FAULTLINE" run "${run_options[@]}" --quiet --stats "$tmp/stats" --ram 48M -- \
		"$PROGRAMS/cold-giver" "$@" 40 "$work_mib" "$rounds" >"$tmp/out" 2>"$tmp/err"
	status=$?
	child=$(cat "$tmp/out")
	if [ "$status" -ne 0 ]; then
		fail "$name" "exit status $status" "$tmp/err"
		return
	fi
	pages=$((work_mib * 256))
	faults=$(jq ".processes[] | select(.pid == $child) | .pswpin" "$tmp/stats")
	# on its own 8 MiB it would read nearly all of them again in each round
	if [ "${faults:-0}" -gt $((pages * rounds / 6)) ] || [ -z "$faults" ]; then
		fail "$name" "the child read ${faults:-no} pages from swap for $rounds rounds of $pages"
	else
		pass "$name" "$faults pages read for $rounds rounds of $pages"
	fi
}

giver "the parent's own pages"
giver "pages that both have" --shared
finish
