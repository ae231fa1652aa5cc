#!/bin/bash
# Compressed memory as a swap device: within the budget and beside it, with a file below, full, and
# what the tools say of it.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# job NAME NOISE OPTION...: the program's pages stay what they are; the statistics are in $tmp/out
job() {
	local name=$1 noise=$2
	shift 2
	rm -f "$tmp/stats"
	ran "$FAULTLINE" run --quiet --stats "$tmp/stats" "$@" -- "$PROGRAMS/random-rw" 24 20000 "$noise"
	expect_status "$name" 0 || return
	if [ "$(cat "$tmp/out")" != "6144 pages are right" ] || [ -s "$tmp/err" ]; then
		fail "$name" "another output" "$tmp/out" "$tmp/err"
		return 1
	fi
	cp "$tmp/stats" "$tmp/out"
}

for how in zram zram:lz4 zram:zstd; do
	job "$how" 8 --ram 18M --swap "$how" &&
		json_true "$how" 'o["ram_peak_bytes"] <= 18 << 20 and o["pswpin"] > 1000 and
			8 << 20 < o["zram"]["mem_used_max"] <= o["zram"]["mem_limit"] <= 18 * 7 / 8 * (1 << 20)'
	job "$how beside the budget" 8 --ram 8M --swap "$how,charge=no" &&
		json_true "$how beside the budget" 'o["ram_peak_bytes"] <= 8 << 20 and o["pswpin"] > 1000 and
			o["zram"]["mem_used_max"] > 8 << 20 and not o["zram"]["charged"]'
done
# Pages that repeat one word, but for the three that mark them, take hardly anything.
job "small pages" 0 --ram 4M --swap zram &&
	json_true "small pages" 'o["swap_peak_bytes"] > 20 << 20 and o["zram"]["mem_used_max"] <= 3 << 20'
# Those that cannot be made smaller are kept as they are, or go to the file.
job "noise" 16 --ram 8M --swap zram,charge=no &&
	json_true "noise" 'o["zram"]["mem_used_max"] >= o["swap_peak_bytes"] - (1 << 20)'
job "noise with a file below" 16 --ram 8M --swap zram --swap "file:$TMPDIR" &&
	json_true "noise with a file below" 'o["zram"]["mem_used_max"] < 1 << 20 and o["pswpin"] > 1000'
job "write-back" 8 --ram 8M --swap zram --swap file &&
	json_true "write-back" 'o["zram_writeback"] > 500 and o["pswpin"] > 1000 and
		o["ram_peak_bytes"] <= 8 << 20'
job "a small one with a file below" 8 --ram 8M --swap zram,size=4M,charge=no --swap file,size=1G &&
	json_true "a small one with a file below" 'o["zram_writeback"] > 500 and o["zram"]["mem_limit"] == 4 << 20'

ran "$FAULTLINE" run --quiet --ram 8M --swap zram -- "$PROGRAMS/random-rw" 24 20000 16
if [ "$status" -eq 137 ] && is_message "$tmp/err" && grep -q "compressed memory is full" "$tmp/err"; then
	pass "full" "$(cut -c1-100 "$tmp/err")"
else
	fail "full" "status $status, or not one message" "$tmp/err" "$tmp/out"
fi
ran env LD_PRELOAD="$LIBFAULTLINE" FAULTLINE="ram=8M,swap=zram:zstd,size=64M,charge=no,quiet,swap=file,size=1G" \
	"$PROGRAMS/random-rw" 24 20000 8
expect_status "without the tool" 0 && pass "without the tool"

for bad in zram:gzip zramx zram,charge=maybe zram,size=0 file,charge=no 'zram,'; do
	ran "$FAULTLINE" run --swap "$bad" -- true
	expect_error "--swap $bad" 2 "$bad"
done

# What the tools say of a tree that waits.
# shellcheck disable=SC2016
ran "$FAULTLINE" run --quiet --ram 8M --swap zram --swap "file:$TMPDIR" -- \
	bash -c 'x=$(head -c 12000000 /dev/zero | tr "\0" a); "$1" swaps $$; "$1" swaps --json $$ >"$2"
		"$1" zoneinfo $$; env -u LD_PRELOAD "$1" check --tree $$ >/dev/null || echo "check: $?"; echo ${#x}' - "$FAULTLINE" "$tmp/json"
if [ "$status" -eq 0 ] && [ "$(awk '$1 == "zram:lz4" && $2 == "zram" && $4 > 1000 && $5 == 100' "$tmp/out" | wc -l)" -eq 1 ] &&
	[ "$(awk '$2 == "file" && $5 == -2' "$tmp/out" | wc -l)" -eq 1 ] &&
	[ "$(awk '$1 == "nr_zspages"' "$tmp/out" | wc -l)" -eq 1 ] && grep -qx 12000000 "$tmp/out" &&
	! grep -q check: "$tmp/out"; then
	pass "swaps, zoneinfo, check"
else
	fail "swaps, zoneinfo, check" "not what it should be (status $status)" "$tmp/out" "$tmp/err"
fi
cp "$tmp/json" "$tmp/out"
json_true "swaps --json" '[(d["type"], d["priority"]) for d in o["trees"]] == [("zram", 100), ("file", -2)] and
	o["trees"][0]["used_bytes"] > 1 << 20'
finish
