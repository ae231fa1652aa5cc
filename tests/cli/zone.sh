#!/bin/bash
# shellcheck disable=SC2034 # what the shared functions read
# buddyinfo, zoneinfo and swaps: the figures add up, and are those that check --tree counts itself.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

have python3 || skip_all "python3 is not installed"
mkfifo "$tmp/in" "$tmp/from"

# A process and its child, which has written to some of what they share; they wait for the end of
# standard input. The argument: MiB.
cat >"$tmp/pair.py" <<-'PY'
	import mmap, os, random, sys
	MB = 1 << 20
	area = mmap.mmap(-1, int(sys.argv[1]) * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
	area.write(random.Random(1).randbytes(len(area)))
	ready, told = os.pipe()
	child = os.fork()
	if not child:
	    area[:MB] = random.Random(2).randbytes(MB)
	    os.write(told, b"x")
	    sys.stdin.read()
	    os._exit(0)
	os.read(ready, 1)
	print(os.getpid(), child, flush=True)
	sys.stdin.read()
	os.waitpid(child, 0)
PY

# start MIB OPTION...: sets $parent, $child and $tool.
start() {
	local mib=$1
	shift
	"$FAULTLINE" run --quiet "$@" -- /usr/bin/python3 "$tmp/pair.py" "$mib" <"$tmp/in" >"$tmp/from" &
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

# What the tree's locks and every process's bitmap say: sets $frames, $all and $slots.
count() {
	ran "$FAULTLINE" check --tree "$parent"
	read -r frames all slots < <(sed -n \
		's/^.*, \([0-9]*\) frames of \([0-9]*\), \([0-9]*\) slots: add up$/\1 \2 \3/p' "$tmp/out")
}

# The two processes wait, so that all commands see the same; kswapd may still do something, and then
# it is counted again.
agree() { # NAME
	local try used free blocks
	for ((try = 0; try < 50; try++)); do
		count
		free=$("$FAULTLINE" zoneinfo "$child" | awk '$1 == "pages" { print $3 }')
		blocks=$("$FAULTLINE" buddyinfo "$parent" |
			awk '{ for (i = 5; i <= NF; i++) sum += $i * 2 ^ (i - 5) } END { print NF == 15 ? sum : "none" }')
		used=$("$FAULTLINE" swaps "$parent" | awk 'NR == 2 { print $4 / 4 }')
		[ "$free" = $((all - frames)) ] && [ "$blocks" = "$free" ] && [ "$used" = "$slots" ] && break
	done
	if [ $try -lt 50 ]; then
		pass "$1" "$free frames free of $all, $used slots"
	else
		fail "$1" "check counts $frames frames of $all and $slots slots; zoneinfo has $free free, buddyinfo $blocks, swaps $used slots"
	fi
}

# narrow NAME: no line of $tmp/out is wider than 80 columns
narrow() {
	if [ -s "$tmp/out" ] && [ -z "$(awk 'length > 80' "$tmp/out")" ]; then
		pass "$1 in 80 columns"
	else
		fail "$1 in 80 columns" "nothing, or wider" "$tmp/out"
	fi
}

start 20 --ram 64M || { fail "a tree" "it did not start" && finish; }
agree "a tree with memory to spare"
ran "$FAULTLINE" zoneinfo --json "$parent"
json_true "zoneinfo --json" 'len(o["trees"]) == 1 and (lambda z: z["present"] == 16384 and
	0 < z["managed"] <= z["present"] and z["min"] == 0 < z["low"] < z["high"] < z["managed"] and
	sorted(p["pid"] for p in z["processes"]) == sorted([parent, child]) and
	sum(p["nr_active_anon"] for p in z["processes"]) == z["nr_active_anon"] and
	all(p["nr_active_anon"] + p["nr_inactive_anon"] + p["count"] == p["held"] and
		p["nr_active_anon"] >= 20 * 256 for p in z["processes"]))(o["trees"][0])' \
	"parent=$parent" "child=$child"
ran "$FAULTLINE" buddyinfo --json "$parent"
json_true "buddyinfo --json" '(lambda t: t["free_pages"] ==
	sum(n << i for i, n in enumerate(t["free_blocks"])) > 0 and len(t["free_blocks"]) == 11)(o["trees"][0])'
ran "$FAULTLINE" swaps --json "$parent"
json_true "swaps --json" 'o["trees"][0]["used_bytes"] == o["trees"][0]["size_bytes"] == 0 and
	o["trees"][0]["filename"].startswith(folder) and o["trees"][0]["type"] == "file"' "folder=$TMPDIR"
for command in buddyinfo zoneinfo swaps; do
	ran "$FAULTLINE" $command "$parent" "$child"
	narrow "$command"
done

kill -STOP "$child"
until grep -q "^State:.T" "/proc/$child/status"; do
	sleep 0.01
done
ran "$FAULTLINE" zoneinfo --json "$parent"
expect_status "zoneinfo with a stopped process" 0 &&
	json_true "zoneinfo with a stopped process" '{p["pid"]: p["silent"]
		for p in o["trees"][0]["processes"]} == {parent: None, child: "stopped"}' \
		"parent=$parent" "child=$child"
kill -CONT "$child"
ends "it ends"

start 24 --ram 8M || { fail "a tree in 8 MiB" "it did not start" && finish; }
agree "a tree in a third of its memory"
ran "$FAULTLINE" swaps --json "$child"
cp "$tmp/out" "$tmp/swaps"
json_true "swaps in a third of its memory" 'o["trees"][0]["used_bytes"] >= 16 << 20 and
	o["trees"][0]["used_bytes"] <= o["trees"][0]["peak_bytes"] <= o["trees"][0]["size_bytes"]'
# The file that it names: of that size, with the one page that is never used.
for link in "/proc/$parent/fd"/*; do
	[ "$(readlink "$link")" = "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["trees"][0]["filename"])' "$tmp/swaps")" ] || continue
	cp "$tmp/swaps" "$tmp/out"
	json_true "the swap file" 'o["trees"][0]["size_bytes"] + 4096 == bytes' \
		"bytes=$(stat -L -c %s "$link")"
	found=yes
	break
done
[ -n "${found:-}" ] || fail "the swap file" "the process has no such file" "$tmp/swaps"
ends "it ends after that"
ran "$FAULTLINE" swaps
expect_status "swaps of all" 0 && pass "swaps of all"
finish
