#!/bin/bash
# shellcheck disable=SC2034 # what the shared functions read
# page and pagetable: indices computed here, tables counted from the kernel's pagemap, pages whose
# sharing is known.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

have python3 || skip_all "python3 is not installed"
mkfifo "$tmp/in" "$tmp/from"

# Areas of smaps-tree: 0 shared with the child but for 2 MiB, 1 untouched by the parent, 4 half given
# back; each begins 64 GiB behind the one before.
area() { # NUMBER BYTES
	printf '%x' $((0x200000000000 + ($1 << 36) + $2))
}
MIB=$((1 << 20))

# start MIB OPTION...: sets $parent, $child and $tool.
start() {
	local mib=$1
	shift
	"$FAULTLINE" run --quiet "$@" -- "$PROGRAMS/smaps-tree" "$mib" <"$tmp/in" >"$tmp/from" &
	tool=$!
	exec 7>"$tmp/in" 8<"$tmp/from"
	read -r -t "$FL_TEST_TIMEOUT" parent child <&8
}

ends() { # NAME
	exec 7>&-
	wait "$tool"
	status=$?
	exec 8<&-
	expect_status "$1" 0 && pass "$1"
}

# shown NAME COMMAND PID ADDRESS EXPRESSION [NAME=VALUE...]: with --json true, as text in 80 columns.
shown() {
	local name="$1" command=$2 pid=$3 address=$4 expression=$5
	shift 5
	ran "$FAULTLINE" "$command" "$pid" "$address"
	expect_status "$name" 0 || return
	[ -s "$tmp/out" ] && [ -z "$(awk 'length > 80' "$tmp/out")" ] || {
		fail "$name in 80 columns" "nothing, or wider" "$tmp/out"
		return
	}
	ran "$FAULTLINE" "$command" --json "$pid" "$address"
	expect_status "$name" 0 && json_true "$name" "$expression" "a=$((0x$address))" "$@"
}

start 8 || { fail "a tree" "it did not start" && finish; }

# Indices: nine bits each from bit 39 down; and what each level says of what is below.
indices='[l["index"] for l in o["walk"]] == [a >> s & 511 for s in (39, 30, 21, 12)] and
	[l["level"] for l in o["walk"]] == ["pgd", "pud", "pmd", "pte"]'
full='all(l["table"] and 1 <= l["used"] <= 512 and int(l["entry"], 16) for l in o["walk"]) and
	all(int(up["entry"], 16) & ~4095 == int(down["table"], 16) and
		int(up["entry"], 16) & 4095 == down["used"]
		for up, down in zip(o["walk"], o["walk"][1:]))'
for at in 0 4096 $((4 * MIB + 12 * 4096 + 5)) $((8 * MIB - 1)); do
	shown "pagetable of a page, byte $at" pagetable "$parent" "$(area 0 "$at")" \
		"$indices and $full and o['pte']['state'] == 'present' and o['walk'][3]['used'] == 512 and
		int(o['walk'][3]['entry'], 16) >> 12 == o['pte']['frame']"
done
shown "pagetable of an untouched page beside others" pagetable "$parent" "$(area 4 4096)" \
	"$indices and o['walk'][3]['used'] == 256 and int(o['walk'][3]['entry'], 16) == 0 and
	o['pte']['state'] == 'none' and o['vma']['owner'] == 'faultline'"
shown "pagetable of untouched memory" pagetable "$parent" "$(area 1 4096)" \
	"$indices and o['walk'][3]['table'] is None and o['pte']['state'] == 'none' and o['vma']"
shown "pagetable of no memory" pagetable "$parent" 100000000000 \
	"$indices and o['walk'][1]['table'] is None and o['vma'] is None and o['kernel'] is None"

# Tables: one for each 2 MiB, 1 GiB and 512 GiB in which the kernel has a page of managed memory.
ran "$FAULTLINE" maps --json "$parent"
cp "$tmp/out" "$tmp/maps"
cat >"$tmp/count.py" <<-'PY'
	import json, struct, sys
	pages = set()
	with open("/proc/%s/pagemap" % sys.argv[1], "rb") as f:
	    for v in json.load(open(sys.argv[2]))["vmas"]:
	        if v["owner"] != "faultline":
	            continue
	        start, end = int(v["start"], 16) >> 12, int(v["end"], 16) >> 12
	        f.seek(start * 8)
	        words = struct.unpack("%dQ" % (end - start), f.read((end - start) * 8))
	        pages |= {start + i for i, w in enumerate(words) if w >> 63}
	print(1, *(len({p >> s for p in pages}) for s in (27, 18, 9, 0)))
PY
read -r -a want < <(python3 "$tmp/count.py" "$parent" "$tmp/maps")
ran "$FAULTLINE" pagetable "$parent"
[ -z "$(awk 'length > 80' "$tmp/out")" ] || fail "pagetable in 80 columns" "wider" "$tmp/out"
ran "$FAULTLINE" pagetable --json "$parent"
json_true "tables by level" '[l["tables"] for l in o["levels"]] == [1, pud, pmd, pte] and
	[l["entries"] for l in o["levels"]] == [pud, pmd, pte, present] and present == o["present"] and
	o["pgtables_bytes"] == 4096 * (1 + pud + pmd + pte)' \
	"pud=${want[1]}" "pmd=${want[2]}" "pte=${want[3]}" "present=${want[4]}"

# Pages: shared since the fork, written by the child, given back, untouched.
both='sorted(h["pid"] for h in o["page"]["holders"]) == sorted([parent, child])'
for who in parent child; do
	shown "page shared with the child, by the $who" page "${!who}" "$(area 0 $((4 * MIB)))" \
		"o['state'] == 'present' and o['page']['refcount'] == 2 == o['page']['mapcount'] and $both and
		o['page']['index'] == a >> 12 and o['page']['lru'] == 'active' and
		{'COW', 'MAPPED', 'DIRTY'} <= set(o['page']['flags']) and 'WP' in o['flags'] and
		all(int(h['address'], 16) == a for h in o['page']['holders'])" \
		"parent=$parent" "child=$child"
	[ "$(id -u)" -ne 0 ] || json_true "and as the kernel counts it" 'o["kernel"]["mapcount"] == 2'
	shown "page written by the child, by the $who" page "${!who}" "$(area 0 4096)" \
		"o['page']['refcount'] == 1 == o['page']['mapcount'] and 'ANON' in (o['kernel'].get('flags') or ['ANON'])"
done
shown "page given back" page "$parent" "$(area 4 4096)" 'o["page"] is None and o["state"] == "none"'
shown "page in no memory" page "$parent" 1000 'o["vma"] is None and o["kernel"] is None'
stack=$(sed -n 's/^\([0-9a-f]*\)-.*\[stack\]$/\1/p' "/proc/$parent/maps")
shown "page of the stack" page "$parent" "$stack" \
	'o["vma"]["owner"] == "kernel" and o["vma"]["why"] == "stack" and o["page"] is None and o["kernel"]'
libc=$(sed -n 's/^\([0-9a-f]*\)-.*libc[.]so.*$/\1/p' "/proc/$parent/maps" | head -1)
shown "page of a file" page "$parent" "$libc" \
	'o["vma"]["why"] == "file" and o["kernel"]["file"] and o["kernel"]["present"]'
# Memory of Faultline's own is not the program's.
own=$(sed -n 's/^\([0-9a-f]*\)-.*memfd:faultline.*$/\1/p' "/proc/$parent/maps" | head -1)
ran "$FAULTLINE" page "$parent" "$own"
if grep -q "memory of Faultline itself" "$tmp/out"; then
	pass "page of Faultline's own memory"
else
	fail "page of Faultline's own memory" "it is not said" "$tmp/out" "$tmp/err"
fi
for form in 0x 0X ""; do
	ran "$FAULTLINE" page "$parent" "$form$(area 0 0)"
	expect_status "an address with '$form'" 0 && pass "an address with '$form'"
done

# A holder that is stopped is not waited for.
kill -STOP "$child"
until grep -q "^State:.T" "/proc/$child/status"; do
	sleep 0.01
done
shown "page shared with a stopped process" page "$parent" "$(area 0 $((4 * MIB)))" \
	'o["page"]["refcount"] == 2 and not o["page"]["mapcount_known"] and
	{h["pid"]: h["silent"] for h in o["page"]["holders"]} == {parent: None, child: "stopped"}' \
	"parent=$parent" "child=$child"
kill -CONT "$child"

for command in page pagetable; do
	ran "$FAULTLINE" $command "$parent" 0xfffg
	expect_error "$command of no number" 2 0xfffg
	ran "$FAULTLINE" $command "$parent" ffffffffff600000
	expect_error "$command of the kernel's half" 2 ffffffffff600000
	ran "$FAULTLINE" $command "$parent" 1000 2000
	expect_error "$command of two addresses" 2 2000
done
ran "$FAULTLINE" page "$parent"
expect_error "page of no address" 2 page
ends "it ends"

# In a third of its memory: a page in swap that both have there, by its slot.
start 24 --ram 8M || { fail "in 8 MiB" "it did not start" && finish; }
found=''
for ((at = 2 * MIB; at < 24 * MIB && ${#found} == 0; at += 16 * 4096)); do
	"$FAULTLINE" page --json "$parent" "$(area 0 $at)" >"$tmp/out"
	grep -q '"state": "swap".*"count": 2' "$tmp/out" && found=$(area 0 $at)
done
if [ -n "$found" ]; then
	json_true "page in swap" 'o["page"] is None and o["slot"]["slot"] > 0 and
		sorted(h["pid"] for h in o["slot"]["holders"]) == sorted([parent, child])' \
		"parent=$parent" "child=$child"
	slot=$(sed -n 's/.*"slot": {"slot": \([0-9]*\).*/\1/p' "$tmp/out")
	shown "pagetable of a page in swap" pagetable "$parent" "$found" \
		"$indices and $full and o['pte']['state'] == 'swap' and o['pte']['slot'] == slot" "slot=$slot"
else
	fail "page in swap" "no page that both have in swap" "$tmp/out"
fi
ran "$FAULTLINE" smaps --json "$parent"
cp "$tmp/out" "$tmp/smaps"
read -r rss swap < <(python3 -c '
import json, sys
vmas = [v for v in json.load(open(sys.argv[1]))["vmas"] if v["owner"] == "faultline"]
print(sum(v["rss_bytes"] for v in vmas) // 4096, sum(v["swap_bytes"] for v in vmas) // 4096)' "$tmp/smaps")
ran "$FAULTLINE" pagetable --json "$parent"
json_true "entries are the pages of smaps" 'o["present"] + o["soft"] + o["swapin"] == rss and o["swap"] == swap and
	rss + swap + o["zero"] == o["levels"][3]["entries"]' "rss=$rss" "swap=$swap"
ends "in 8 MiB it ends"

# Shared anonymous memory, twice what fits: each page is where the tree has it, for both.
cat >"$tmp/shared.py" <<-'PY'
	import ctypes, mmap, os, sys
	area = mmap.mmap(-1, 24 << 20)
	for i in range(0, len(area), 4096):
	    area[i:i + 8] = (i + 1).to_bytes(8, "little")
	child = os.fork()
	if not child:
	    sys.stdin.read()
	    os._exit(0)
	print(os.getpid(), child, ctypes.addressof(ctypes.c_char.from_buffer(area)), flush=True)
	sys.stdin.read()
	os.waitpid(child, 0)
PY
shared_pages() {
	local swapped='' resident='' at who
	for ((at = 0; at < 24 * MIB; at += MIB / 2)); do
		"$FAULTLINE" page --json "$parent" "$(printf %x $((base + at)))" >"$tmp/out"
		case $(grep -o '"shmem": {.*' "$tmp/out") in
		*'"state": "swap"'*) swapped=$at ;;
		*'"state": "resident"'*) resident=$at ;;
		esac
	done
	if grep -q '"shmem": null' "$tmp/out"; then
		skip "shared anonymous memory" "this kernel does not let it be managed"
		return
	fi
	[ -n "$swapped" ] && [ -n "$resident" ] ||
		fail "shared anonymous memory" "not one page of 48 in memory, or none in swap" "$tmp/out"
	ran "$FAULTLINE" layout --json "$parent"
	json_true "shared memory in layout" '[a["resident_bytes"] + a["soft_bytes"] > 0 < a["swap_bytes"] and
		a["resident_bytes"] + a["soft_bytes"] + a["swap_bytes"] == 24 << 20 and a["owner"] == "faultline" for b in o["boxes"] for a in b.get("areas", [])
		if int(a["start"], 16) <= base < int(a["end"], 16)] == [True]' "base=$base"
	for at in $swapped $resident; do
		for who in parent child; do
			shown "shared page, byte $at, by the $who" page "${!who}" "$(printf %x $((base + at)))" \
				'o["page"] is None and o["vma"]["why"] == "shared" and
				o["shmem"]["index"] * 4096 == at and ("slot" in o["shmem"]) != ("frame" in o["shmem"]) and
				sorted(p["pid"] for p in o["shmem"]["mapped_by"]) == sorted([parent, child]) and
				(o["shmem"]["state"] != "swap" or not o["kernel"]["present"])' \
				"at=$at" "base=$base" "parent=$parent" "child=$child"
		done
	done
}
"$FAULTLINE" run --quiet --ram 12M -- python3 "$tmp/shared.py" <"$tmp/in" >"$tmp/from" &
tool=$!
exec 7>"$tmp/in" 8<"$tmp/from"
if read -r -t "$FL_TEST_TIMEOUT" parent child base <&8; then
	shared_pages
else
	fail "shared anonymous memory" "it did not start"
fi
ends "with shared memory it ends"
finish
