#!/bin/bash
# MADV_PAGEOUT writes what it names to swap though there is memory enough, and nothing else.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

kib=8192
mkfifo "$tmp/in" "$tmp/from"
guarded "$FAULTLINE" run --quiet --stats "$tmp/stats" --ram 64M -- "$PROGRAMS/pageout" $((kib / 1024)) \
	<"$tmp/in" >"$tmp/from" &
tool=$!
exec 7>"$tmp/in" 8<"$tmp/from"
read -r -t "$FL_TEST_TIMEOUT" pid <&8 || { fail "pageout" "it did not start" && finish; }

# value AREA FIELD: in KiB
value() {
	"$FAULTLINE" smaps "$pid" 2>/dev/null | awk -v area="$1" -v field="$2:" '
		/^[0-9a-f]+-/ { here = substr($1, 1, 12) == area } here && $1 == field { print $2 }'
}

# It goes in the background: until it is there, or the guard ends the program.
while [ -d "/proc/$pid" ] && [ "$(value 200000000000 Swap)" != $kib ]; do
	sleep 0.1
done
if [ "$(value 200000000000 Rss) $(value 200000000000 Swap)" = "0 $kib" ]; then
	pass "what is named goes"
else
	fail "what is named goes" "Rss $(value 200000000000 Rss), Swap $(value 200000000000 Swap) KiB"
fi
if [ "$(value 201000000000 Rss) $(value 201000000000 Swap)" = "$kib 0" ]; then
	pass "what is not named stays"
else
	fail "what is not named stays" "Rss $(value 201000000000 Rss), Swap $(value 201000000000 Swap) KiB"
fi
exec 7>&-
wait "$tool"
status=$?
exec 8<&-
if expect_status "the bytes" 0; then
	if [ "$(stat_of "$tmp/stats" pswpout)" -eq $((kib / 4)) ]; then
		pass "pswpout"
	else
		fail "pswpout" "$(stat_of "$tmp/stats" pswpout), not $((kib / 4))"
	fi
fi
finish
