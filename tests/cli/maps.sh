#!/bin/bash
# shellcheck disable=SC2034 # what the shared functions read
# maps: memory of each kind, whose it is and why; 80 columns; and the same areas as /proc has.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

have python3 || skip_all "python3 is not installed"
mkfifo "$tmp/in" "$tmp/from"
long=$tmp/a/folder/with/a/name/that/does/not/fit/into/eighty/columns
mkdir -p "$long"
head -c 8192 /dev/zero >"$long/the-file"
head -c 8192 /dev/zero >"$long/not-written-to"

# A huge page for as long as this takes, where there is none and it may be asked for.
pool=/proc/sys/vm/nr_hugepages
pages=$(cat $pool 2>/dev/null)
give_back() { echo 0 >$pool; }
if [ "${pages:-1}" -eq 0 ] && echo 1 2>/dev/null >$pool; then
	at_exit give_back
fi

# Each kind of memory, then "KIND=ADDRESS" of what could be mapped, in hexadecimal.
cat >"$tmp/kinds.py" <<-'PY'
	import ctypes, mmap, os, sys
	libc = ctypes.CDLL(None, use_errno=True)
	libc.mmap.restype = ctypes.c_void_p
	libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
	SHARED, PRIVATE, ANON, GROWSDOWN = 1, 2, 0x20, 0x100
	LOCKED, STACK, HUGETLB = 0x2000, 0x20000, 0x40000
	said = []
	def put(kind, size, prot, flags, fd=-1, offset=0):
	    at = libc.mmap(None, size, prot, flags, fd, offset)
	    if at not in (None, 2 ** 64 - 1):
	        said.append("%s=%x" % (kind, at))
	fd = os.open(sys.argv[1], os.O_RDWR)
	put("managed", 1 << 20, 3, PRIVATE | ANON)
	put("file", 8192, 1, PRIVATE, fd)
	put("shared_file", 8192, 3, SHARED, fd)
	put("private_file", 8192, 3, PRIVATE, os.open(sys.argv[2], os.O_RDONLY))
	put("private_file_with_writers", 8192, 3, PRIVATE, fd)
	put("shared", 1 << 20, 3, SHARED | ANON)
	memory = os.memfd_create("name")
	os.ftruncate(memory, 8192)
	put("memfd", 8192, 3, SHARED, memory)
	put("thread_stack", 1 << 20, 3, PRIVATE | ANON | STACK)
	put("growsdown", 1 << 16, 3, PRIVATE | ANON | GROWSDOWN)
	put("locked", 1 << 16, 3, PRIVATE | ANON | LOCKED)
	put("hugetlb", 2 << 20, 3, PRIVATE | ANON | HUGETLB)
	params = (ctypes.c_uint32 * 30)()
	ring = libc.syscall(425, 4, params)
	if ring >= 0:
	    put("device", 4096, 3, SHARED, ring, 0x10000000)
	print(os.getpid(), " ".join(said), flush=True)
	sys.stdin.read()
PY
"$FAULTLINE" run --quiet -- /usr/bin/python3 "$tmp/kinds.py" "$long/the-file" "$long/not-written-to" <"$tmp/in" >"$tmp/from" &
tool=$!
exec 7>"$tmp/in" 8<"$tmp/from"
read -r -t "$FL_TEST_TIMEOUT" pid said <&8 || { fail "a program" "it did not start" && finish; }

ran "$FAULTLINE" maps --json "$pid"
cp "$tmp/out" "$tmp/maps"
# is KIND WHY...: the area at its address is the kernel's for one of the reasons; "-" is Faultline's.
is() {
	local kind=$1 at
	shift
	at=$(grep -oE "(^| )$kind=[0-9a-f]+" <<<"$said")
	at=${at##*=}
	if [ -z "$at" ]; then
		skip "$kind" "it cannot be mapped here"
		return
	fi
	cp "$tmp/maps" "$tmp/out"
	json_true "$kind" '[(v["why"] or "-") in why.split(",") and v["owner"] == ("kernel" if v["why"] else "faultline")
		for v in o["vmas"] if int(v["start"], 16) <= at < int(v["end"], 16)] == [True]' \
		"at=$((0x$at))" "why=$(IFS=,; echo "$*")"
}
is managed -
is file file
is shared_file file
is private_file - "file: not local"
is private_file_with_writers "file: writers" "file: not local"
is shared shared -
is memfd shared -
is thread_stack "thread stack" -
is growsdown stack -
is locked locked -
is hugetlb hugetlb
is device device
cp "$tmp/maps" "$tmp/out"
json_true "stack, vdso" '{v["name"]: v["why"] for v in o["vmas"] if v["name"] in ("[stack]", "[vdso]", "[vvar]")} ==
	{"[stack]": "stack", "[vdso]": "vdso", "[vvar]": "vdso"}'
json_true "a managed file has its name" '[v["owner"] for v in o["vmas"] if v["name"].endswith("not-written-to")] in
	(["faultline"], ["kernel"])'
json_true "every area is somebody's" 'all(v["owner"] in ("kernel", "faultline") and
	(v["owner"] == "kernel") == bool(v["why"]) for v in o["vmas"])'

ran "$FAULTLINE" maps "$pid"
if [ "$status" -eq 0 ] && [ -z "$(awk 'length > 80' "$tmp/out")" ] &&
	grep -q ' [.][.][.]/.*the-file$' "$tmp/out" && ! grep -q ' $' "$tmp/out"; then
	pass "maps in 80 columns" "$(wc -l <"$tmp/out") lines"
else
	fail "maps in 80 columns" "wider, or the long name is not cut at a slash" "$tmp/out" "$tmp/err"
fi
# What each reason has, by the lines of the table and in the last lines.
for why in file stack vdso; do
	want=$(awk -v why=$why '$3 == "kernel" && $4 == why { split($1, a, "-"); print a[1], a[2] }' "$tmp/out" |
		while read -r a b; do echo $((0x$b - 0x$a)); done | awk '{ s += $1 } END { print s / 1024 }')
	got=$(awk -v why=$why '$1 == "the" && $3 == why { print $4 }' "$tmp/out")
	if [ "$want" = "$got" ]; then
		pass "the sum of $why" "$got KiB"
	else
		fail "the sum of $why" "$got, not $want KiB" "$tmp/out"
	fi
done
ran "$FAULTLINE" maps --wide "$pid"
if grep -qE " [0-9a-f]{8} [0-9a-f]{2}:[0-9a-f]{2} [0-9]+ $long/the-file\$" "$tmp/out"; then
	pass "maps --wide"
else
	fail "maps --wide" "the file is not there with device, inode and its whole name" "$tmp/out"
fi
exec 7>&-
wait "$tool"
status=$?
exec 8<&-
expect_status "it ends" 0 && pass "it ends"
finish
