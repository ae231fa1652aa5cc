#!/bin/bash
# smaps against the kernel's own: the same program natively and under Faultline, a parent and a child.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

mkfifo "$tmp/in" "$tmp/from"

# start COMMAND...: the two processes; sets $parent, $child and $tool.
start() {
	"$@" <"$tmp/in" >"$tmp/from" &
	tool=$!
	exec 7>"$tmp/in" 8<"$tmp/from"
	read -r -t "$FL_TEST_TIMEOUT" parent child <&8
}

stop() { # NAME
	exec 7>&-
	wait "$tool"
	status=$?
	exec 8<&-
	expect_status "$1" 0 && pass "$1"
}

# areas FILE: the program's own areas without what may differ: sizes of huge pages, the kernel's
# accessed bits, flags, the number of an inode. Neighbours do not matter, addresses do.
areas() {
	awk '/^[0-9a-f]+-/ { ours = /^20[0-9a-f]0000/; if ($2 ~ /s$/) $0 = $1 " " $2 }
		ours && !/^(Referenced|THPeligible|VmFlags)/' "$1"
}

# value FILE AREA FIELD: in KiB; the total if AREA is empty
value() {
	awk -v area="$2" -v field="$3:" '
		/^[0-9a-f]+-/ { here = area == "" || substr($1, 1, 12) == area }
		here && $1 == field { sum += $2 } END { print sum + 0 }' "$1"
}

start "$PROGRAMS/smaps-tree" 8 shared || { fail "natively" "it did not start" && finish; }
cat "/proc/$parent/smaps" >"$tmp/native.parent"
cat "/proc/$child/smaps" >"$tmp/native.child"
stop "natively"
[ "$(value "$tmp/native.parent" 200000000000 Shared_Dirty)" -eq 6144 ] ||
	skip_all "the kernel's smaps does not show pages shared by fork as such"

start "$FAULTLINE" run --quiet -- "$PROGRAMS/smaps-tree" 8 shared || { fail "managed" "it did not start" && finish; }
for who in parent child; do
	ran "$FAULTLINE" smaps "${!who}"
	expect_status "smaps of the $who" 0 || continue
	areas "$tmp/native.$who" >"$tmp/want"
	areas "$tmp/out" >"$tmp/got"
	if diff "$tmp/want" "$tmp/got" >"$tmp/diff"; then
		pass "smaps of the $who" "$(wc -l <"$tmp/got") lines as natively"
	else
		fail "smaps of the $who" "not what the kernel prints natively" "$tmp/diff"
	fi
	# the layout of the rest: the same names in the same order
	if diff <(sed -n 's/^\([A-Z][A-Za-z_]*:\).*/\1/p' "/proc/${!who}/smaps" | sort -u) \
		<(sed -n 's/^\([A-Z][A-Za-z_]*:\).*/\1/p' "$tmp/out" | sort -u) >"$tmp/diff"; then
		pass "fields of the $who"
	else
		fail "fields of the $who" "not those of /proc" "$tmp/diff"
	fi
	cp "$tmp/out" "$tmp/all"
	ran "$FAULTLINE" smaps --rollup "${!who}"
	bad=''
	# not Pss: of libraries it depends on who else runs just now
	for field in Rss Shared_Dirty Private_Dirty Anonymous Swap Locked; do
		[ "$(value "$tmp/all" "" $field)" -eq "$(value "$tmp/out" "" $field)" ] || bad="$bad $field"
	done
	if [ -z "$bad" ] && grep -q '^[0-9a-f]*-[0-9a-f]* ---p 00000000 00:00 0 .*\[rollup\]$' "$tmp/out"; then
		pass "smaps --rollup of the $who"
	else
		fail "smaps --rollup of the $who" "not the sum:$bad" "$tmp/out"
	fi
done
if have jq; then
	ran "$FAULTLINE" smaps --json "$child"
	if jq -e '(.vmas | map(select(.start == "0x200000000000")) | .[0] | .owner == "faultline" and
		.rss_bytes == 8388608 and .shared_dirty_bytes == 6291456 and .pss_bytes == 5242880) and
		.total.rss_bytes == ([.vmas[].rss_bytes] | add) and .threads == 1' \
		"$tmp/out" >/dev/null 2>"$tmp/err"; then
		pass "smaps --json"
	else
		fail "smaps --json" "not the figures of the text" "$tmp/err" "$tmp/out"
	fi
else
	skip "smaps --json" "jq is not installed"
fi
ran "$FAULTLINE" smaps "$parent" "$child"
expect_error "smaps of two" 2 "$child"
stop "managed"

# Three times what fits: what is not in memory is in swap, and what was there at the fork is in both.
start "$FAULTLINE" run --quiet --ram 8M -- "$PROGRAMS/smaps-tree" 24 shared || { fail "in 8 MiB" "it did not start" && finish; }
for who in parent child; do
	ran "$FAULTLINE" smaps "${!who}"
	expect_status "smaps of the $who in 8 MiB" 0 || continue
	rss=$(value "$tmp/out" 200000000000 Rss) swap=$(value "$tmp/out" 200000000000 Swap)
	swap_pss=$(value "$tmp/out" 200000000000 SwapPss)
	private=$(($(value "$tmp/out" 200000000000 Private_Clean) + $(value "$tmp/out" 200000000000 Private_Dirty)))
	shared=$(($(value "$tmp/out" 200000000000 Shared_Clean) + $(value "$tmp/out" 200000000000 Shared_Dirty)))
	if [ $((rss + swap)) -eq 24576 ] && [ $((private + shared)) -eq "$rss" ] && [ "$swap" -ge 16384 ] &&
		[ "$swap_pss" -lt $((swap * 4 / 5)) ] && [ "$swap_pss" -ge $((swap / 2)) ]; then
		pass "smaps of the $who in 8 MiB" "Rss $rss, Swap $swap, SwapPss $swap_pss"
	else
		fail "smaps of the $who in 8 MiB" "24576 KiB are not in memory or in swap: Rss $rss, private $private, shared $shared, Swap $swap, SwapPss $swap_pss" "$tmp/out"
	fi
	# of 12 MiB of shared memory at least 4 are in swap; the rest need not be mapped here
	rss=$(value "$tmp/out" 205000000000 Rss) swap=$(value "$tmp/out" 205000000000 Swap)
	pss=$(value "$tmp/out" 205000000000 Pss) shared=$(value "$tmp/out" 205000000000 Shared_Dirty)
	ran "$FAULTLINE" maps "${!who}"
	sum=$(awk '/^205000000000-/ && $3 == "faultline" { print $4 + $5 + $6 }' "$tmp/out")
	if [ $((rss + swap)) -le 12288 ] && [ "$swap" -ge 4096 ] && [ "$pss" -eq $((rss / 2)) ] &&
		[ "$shared" -eq "$rss" ] && [ "$sum" = 12288 ]; then
		pass "shared memory of the $who in 8 MiB" "Rss $rss, Swap $swap"
	else
		fail "shared memory of the $who in 8 MiB" "12288 KiB are not in memory or in swap: Rss $rss, Pss $pss, Swap $swap, by maps $sum" "$tmp/out"
	fi
done
stop "in 8 MiB"
finish
