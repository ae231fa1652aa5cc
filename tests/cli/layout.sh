#!/bin/bash
# shellcheck disable=SC2034 # what the shared functions read
# layout: every address is in one box, every area of /proc/PID/maps in one of them; cells and rows of
# areas whose pages are known; 80 columns, and colour only where it is wanted.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

[ -x /usr/bin/python3 ] || skip_all "python3 is not installed"
mkfifo "$tmp/in" "$tmp/from"

# Areas by themselves, 4 GiB apart. 0: 32 pages, of which the lower half is touched. 1: 1 MiB, of four
# pages one each up to the eighth cell, then all up to the sixteenth. 2: 64 GiB, one page. Then many
# small ones, which are to be joined, and threads.
cat >"$tmp/areas.py" <<-'PY'
	import ctypes, os, sys, threading
	libc = ctypes.CDLL(None)
	libc.mmap.restype = ctypes.c_void_p
	libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
	PAGE, FIXED, NORESERVE = 4096, 0x22 | 0x100000, 0x4000
	def area(n, size, prot=3, flags=FIXED):
	    at = 0x10000000000 + (n << 32)
	    assert libc.mmap(at, size, prot, flags, -1, 0) == at
	    return at
	def touch(at, page):
	    ctypes.memset(at + page * PAGE, page % 255 + 1, PAGE)
	a = area(0, 32 * PAGE)
	for i in range(16):
	    touch(a, i)
	a = area(1, 256 * PAGE)
	for i in range(64):
	    if i % 4 == 0 or i >= 32:
	        touch(a, i)
	touch(area(2, 64 << 30, flags=FIXED | NORESERVE), 0)
	for i in range(200):
	    libc.mmap(None, PAGE, i % 2, 0x22, -1, 0)
	threading.Thread(target=sys.stdin.read).start()
	print(os.getpid(), flush=True)
PY

# start OPTION... -- COMMAND...: sets $pid, the first word it says, and $tool.
start() {
	"$FAULTLINE" run --quiet "$@" <"$tmp/in" >"$tmp/from" &
	tool=$!
	exec 7>"$tmp/in" 8<"$tmp/from"
	read -r -t "$FL_TEST_TIMEOUT" pid rest <&8 && return
	fail "$*" "it did not start"
	finish
}

ends() { # NAME
	exec 7>&-
	wait "$tool"
	status=$?
	exec 8<&-
	expect_status "$1" 0 && pass "$1"
}

# Every box begins where the one before ends; areas are all that /proc has, but for Faultline's own
# memory, which has no other names than these: of shared memory it has a view of its own.
cat >"$tmp/covers.py" <<-'PY'
	import json, sys
	o = json.load(open(sys.argv[1]))
	at = 0
	areas, own = [], 0
	for b in o["boxes"]:
	    start, end = int(b["start"], 16), int(b["end"], 16)
	    assert start == at < end, "a hole at %x" % at
	    at = end
	    own += b.get("own_bytes", 0)
	    inside = [(int(a["start"], 16), int(a["end"], 16)) for a in b.get("areas", [])]
	    assert (b["kind"] == "free") == (not inside)
	    if inside:
	        assert inside[0][0] == start and inside[-1][1] == end, "%x is not of its areas" % start
	        assert len(b["cells"]) == 32 * b["rows"]
	        for kind in "resident", "soft", "swap", "zero":
	            assert b[kind + "_bytes"] == sum(a[kind + "_bytes"] for a in b["areas"])
	    areas += inside
	assert at == int(o["task_size"], 16), "it ends at %x" % at
	assert areas == sorted(areas) and all(a[1] <= b[0] for a, b in zip(areas, areas[1:]))
	lines = []
	for line in open("/proc/%d/maps" % o["pid"]):
	    word = line.split(None, 5)
	    start, end = (int(x, 16) for x in word[0].split("-"))
	    if start < at:
	        lines.append((start, end, word[5].strip() if len(word) > 5 else ""))
	covered = 0
	for start, end, name in lines:
	    here = sum(max(0, min(end, b) - max(start, a)) for a, b in areas)
	    covered += here
	    assert here == end - start or name in ("", "/memfd:faultline (deleted)", "/dev/zero (deleted)") or "io_uring" in name, name
	assert covered == sum(b - a for a, b in areas), "areas that /proc does not have"
	rest = sum(b - a for a, b, name in lines) - covered
	print(len(areas), len(o["boxes"]), own, rest)
PY
covers() { # NAME FILE
	if python3 "$tmp/covers.py" "$2" >"$tmp/said" 2>"$tmp/err"; then
		pass "$1" "$(awk '{ print $1 " areas in " $2 " boxes" }' "$tmp/said")"
	else
		fail "$1" "the boxes are not the address space" "$tmp/err" "$2"
	fi
}

start --fault-around=1 -- /usr/bin/python3 "$tmp/areas.py"
ran "$FAULTLINE" layout --json "$pid"
expect_status "layout --json" 0
cp "$tmp/out" "$tmp/json"
covers "layout covers maps" "$tmp/json"
ran "$FAULTLINE" layout --all --json "$pid"
covers "layout --all covers maps" "$tmp/out"
json_true "with --all each area is a box" 'all(len(b.get("areas", [0])) == 1 for b in o["boxes"]) and
	len(o["boxes"]) > 200'
# There all of Faultline's own memory lies between boxes.
read -r _ _ own rest <"$tmp/said"
if [ "$own" = "$rest" ] && [ "$own" -gt 0 ]; then
	pass "Faultline's own memory" "$own bytes"
else
	fail "Faultline's own memory" "$own bytes, /proc has $rest that are no area's" "$tmp/err"
fi
cp "$tmp/json" "$tmp/out"
json_true "so few boxes that they can be drawn" '12 < len(o["boxes"]) < 50'
box='(lambda n: [b for b in o["boxes"] if int(b["start"], 16) == 0x10000000000 + (n << 32)][0])'
json_true "half of an area touched" "$box(0)['cells'] == '#' * 16 + '.' * 16 and $box(0)['rows'] == 1 and
	$box(0)['resident_bytes'] == 65536 and $box(0)['cell_bytes'] == 4096"
json_true "cells touched in part" "$box(1)['cells'] == ':' * 8 + '#' * 8 + '.' * 48 and
	$box(1)['rows'] == 2 and $box(1)['cell_bytes'] == 16384"
json_true "64 GiB with one page" "$box(2)['cells'] == ':' + '.' * (10 * 32 - 1) and
	$box(2)['rows'] == 10 and $box(2)['resident_bytes'] == 4096"
json_true "the parts of a program, in their order" '(lambda at: at == sorted(at))(
	[[b["kind"] for b in o["boxes"]].index(k) for k in ("text", "data", "bss", "heap", "stack")])'
json_true "whose they are" 'all(a["owner"] == "kernel" and a["why"] == "stack" and a["resident_bytes"] > 0
	for b in o["boxes"] if b["kind"] == "stack" for a in b["areas"]) and all(a["owner"] == "faultline"
	for b in o["boxes"] if b["kind"] == "heap" for a in b["areas"])'

ran "$FAULTLINE" layout "$pid"
if [ "$status" -eq 0 ] && [ -z "$(awk 'length > 80' "$tmp/out")" ] && [ ! -s "$tmp/err" ] &&
	! grep -q $'\033' "$tmp/out" && ! grep -q ' $' "$tmp/out"; then
	pass "layout in 80 columns" "$(wc -l <"$tmp/out") lines"
else
	fail "layout in 80 columns" "wider, coloured or with blanks at the end" "$tmp/out" "$tmp/err"
fi
# High addresses on top, from the end of the program's to 0; and the cells, lowest row last.
grep -oE '^[0-9a-f]{12} \+' "$tmp/out" | cut -c1-12 >"$tmp/addresses"
if [ "$(head -1 "$tmp/addresses")" = 7ffffffff000 ] && [ "$(tail -1 "$tmp/addresses")" = 000000000000 ] &&
	sort -ru "$tmp/addresses" | cmp -s - "$tmp/addresses"; then
	pass "high addresses on top"
else
	fail "high addresses on top" "not from 7ffffffff000 to 0" "$tmp/out"
fi
grep -B 2 '^010100000000 +' "$tmp/out" | head -2 | sed 's/^[^|]*|\(.*\)|.*/\1/' | tr '\n' / >"$tmp/rows"
if [ "$(cat "$tmp/rows")" = "................................/::::::::########................/" ]; then
	pass "rows and cells as drawn"
else
	fail "rows and cells as drawn" "not those of the area" "$tmp/rows" "$tmp/out"
fi
if have script; then
	ran env -u NO_COLOR TERM=xterm script -qec "$FAULTLINE layout $pid" /dev/null
	if [ "$(grep -c $'\033\\[32m' "$tmp/out")" -ge 5 ]; then
		pass "colour on a terminal"
	else
		fail "colour on a terminal" "there is none" "$tmp/out" "$tmp/err"
	fi
	for way in NO_COLOR=1 TERM=dumb; do
		ran env TERM=xterm "$way" script -qec "$FAULTLINE layout $pid" /dev/null
		if [ "$status" -eq 0 ] && grep -q 7ffffffff000 "$tmp/out" && ! grep -q $'\033' "$tmp/out"; then
			pass "no colour with $way"
		else
			fail "no colour with $way" "there is" "$tmp/out" "$tmp/err"
		fi
	done
else
	skip "colour" "script is not installed"
fi
ends "it ends"

# In a third of its memory: what the cells and sums say is what smaps has.
start --ram 8M -- "$PROGRAMS/smaps-tree" 24
for _ in 1 2 3 4 5 6 7 8 9 10; do # kswapd may be between the two
	"$FAULTLINE" smaps --json "$pid" >"$tmp/smaps"
	ran "$FAULTLINE" layout --json "$pid"
	read -r rss swap < <(python3 -c '
import json, sys
v = [v for v in json.load(open(sys.argv[1]))["vmas"] if v["start"] == "0x200000000000"][0]
print(v["rss_bytes"], v["swap_bytes"])' "$tmp/smaps")
	grep -q "\"resident_bytes\": [0-9]*, \"soft_bytes\": [0-9]*, \"swap_bytes\": $swap," "$tmp/out" && break
done
json_true "in a third of its memory" '(lambda b: b["resident_bytes"] + b["soft_bytes"] == rss and
	b["swap_bytes"] == swap >= 16 << 20 and b["rows"] == 4 and b["cells"].count("-") >= 64 and
	set(b["cells"]) <= set("#=-:"))([b for b in o["boxes"] if b["start"] == "0x200000000000"][0])' \
	"rss=$rss" "swap=$swap"
json_true "a program in C" '[b["kind"] for b in o["boxes"] if b["kind"] in
	("text", "data", "bss", "heap", "stack")][:2] == ["text", "data"]'
covers "layout covers maps there" "$tmp/out"
ends "in 8 MiB it ends"
finish
