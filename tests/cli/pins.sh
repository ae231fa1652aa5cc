#!/bin/bash
# Shared anonymous memory is left to the kernel from the call on after which a device may write to it,
# though nothing is open any more; and else it is not.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

have python3 || skip_all "python3 is not installed"
: >"$tmp/file"
cat >"$tmp/pins.py" <<-'PY'
	import ctypes, fcntl, mmap, os, random, sys
	how, path = sys.argv[1:3]
	data = random.Random(1).randbytes(4 << 20)
	shared = mmap.mmap(-1, len(data))
	shared[:] = data
	fd = -1
	try:
	    if how == "open":
	        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
	    elif how == "fcntl":
	        fd = os.open(path, os.O_RDONLY)
	        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_DIRECT)
	    elif how == "plain":
	        fd = os.open(path, os.O_RDONLY)
	        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
	    elif how == "vmsplice":
	        ctypes.CDLL(None).vmsplice(-1, None, 0, 0)
	except OSError as e:
	    sys.exit(77 if e.errno == 22 else "%s: %s" % (how, e))
	if fd > 0:
	    os.close(fd)
	for turn in range(3): # more than fits, three times
	    more = [random.Random(2 + i).randbytes(1 << 20) for i in range(24)]
	sys.exit(None if shared[:] == data else "the shared memory has other bytes")
PY

# Standard input is a file that was opened with O_DIRECT before the program: no call tells of it.
cat >"$tmp/direct.py" <<-'PY'
	import os, sys
	try:
	    os.dup2(os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT), 0)
	except OSError:
	    sys.exit(77)
	os.execvp(sys.argv[2], sys.argv[2:])
PY

# left HOW WHETHER: is it the kernel's by the end?
left() {
	local name="$1: $2" before=() pinned
	[ "$1" != inherited ] || before=(python3 "$tmp/direct.py" "$tmp/file")
	rm -f "$tmp/stats"
	ran ${before[@]+"${before[@]}"} "$FAULTLINE" run --quiet --ram 16M --stats "$tmp/stats" -- \
		python3 "$tmp/pins.py" "$1" "$tmp/file"
	if [ "$status" -eq 77 ]; then
		skip "$name" "no O_DIRECT on this file system"
		return
	fi
	expect_status "$name" 0 || return
	pinned=$(stat_of "$tmp/stats" shmem_pinned)
	case $2,$pinned in
	managed,0 | "the kernel's",[1-9]*) pass "$name" "shmem_pinned $pinned" ;;
	*) fail "$name" "shmem_pinned $pinned" "$tmp/stats" ;;
	esac
}

left nothing managed
left plain managed
left open "the kernel's"
left fcntl "the kernel's"
left vmsplice "the kernel's"
left inherited "the kernel's"
finish
