#!/bin/bash
# What Faultline's own tables take: reported, at most 1 % of the pages touched, and
# nothing for pages that are only reserved.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

touch_mib=128
work=$FL_BUILD/bench/micro

# tables NAME RAM COMMAND...: the most that one process's tables took, in $bytes.
tables() {
	local what=$1 ram=$2
	shift 2
	rm -f "$tmp/stats"
	if ! "$FAULTLINE" run --quiet --ram "$ram" --stats "$tmp/stats" -- "$@" >"$tmp/out" 2>"$tmp/err"; then
		fail "$what" "it did not run" "$tmp/err"
		return 1
	fi
	bytes=$(stat_of "$tmp/stats" bookkeeping_peak_bytes)
}

# What a program pays that touches next to nothing.
tables start 1G true || finish
start=$bytes
if [ "$start" -gt 0 ] && [ "$start" -lt $((512 << 10)) ]; then
	pass "a start takes less than 512 KiB" "$start bytes"
else
	fail "a start takes less than 512 KiB" "$start bytes"
fi

for ram in 1G 32M; do
	for order in sequential random; do
		what="$touch_mib MiB touched, $order, --ram $ram"
		tables "$what" "$ram" "$work" "first-touch-$order" byte "$touch_mib" 1 || continue
		if [ $(((bytes - start) * 100)) -le $((touch_mib << 20)) ]; then
			pass "$what: at most 1 %" "$((bytes - start)) bytes"
		else
			fail "$what: at most 1 %" "$((bytes - start)) bytes"
		fi
	done
done

# A hundred reservations of 1 GiB, a page of each touched.
cat >"$tmp/reserve.py" <<'PY'
import mmap

maps = [mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000) for _ in range(100)]
for m in maps:
    m[12345] = 1
print(sum(m[12345] for m in maps))
PY
tables "python3 without reservations" 1G /usr/bin/python3 -c 'import mmap; print(100)' && small=$bytes
if tables "100 GiB reserved" 1G /usr/bin/python3 "$tmp/reserve.py"; then
	# a page of each level of the page table for every page touched, no more
	if [ $((bytes - small)) -le $((100 * 3 * 4096)) ]; then
		pass "100 GiB reserved, 100 pages touched" "$((bytes - small)) bytes more"
	else
		fail "100 GiB reserved, 100 pages touched" "$((bytes - small)) bytes more"
	fi
fi
finish
