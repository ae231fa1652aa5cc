#!/bin/bash
# The swap file's disk is full: a clear message and an end, never a hang, and
# nothing wrong in the output. The disk is a small tmpfs of this test.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
need_root

mkdir "$tmp/disk"
unmount() {
	umount -l "$tmp/disk" 2>/dev/null
}
at_exit unmount
mount -t tmpfs -o size=8M tmpfs "$tmp/disk" || skip_all "no tmpfs can be mounted"

for how in "file:$tmp/disk/swap" file; do
	what="full disk, --swap ${how%%:*}${how:4:1}"
	if [ "$how" = file ]; then
		ran env TMPDIR="$tmp/disk" "$FAULTLINE" run --quiet --ram 16M --swap file -- "$PROGRAMS/sem-zero" 64
	else
		ran "$FAULTLINE" run --quiet --ram 16M --swap "$how" -- "$PROGRAMS/sem-zero" 64
	fi
	if [ "$status" -eq 0 ]; then
		fail "$what" "exit status 0, though the swap cannot hold it"
	elif [ "$status" -eq 124 ]; then
		fail "$what" "it hangs" "$tmp/err"
	elif ! grep -qE '^faultline: .+: .+: .+' "$tmp/err"; then
		fail "$what" "no message (status $status)" "$tmp/err"
	elif grep -q FAIL "$tmp/err"; then
		fail "$what" "the program saw wrong bytes" "$tmp/err"
	else
		pass "$what" "status $status, $(grep -m1 '^faultline:' "$tmp/err" | cut -c1-100)"
	fi
done

# A swap size that is too small is the same.
ran "$FAULTLINE" run --quiet --ram 16M --swap "file:$tmp/t/swap,size=8M" -- "$PROGRAMS/sem-zero" 64
if [ "$status" -ne 0 ] && [ "$status" -ne 124 ] && grep -qE '^faultline: .+: .+: .+' "$tmp/err"; then
	pass "swap size too small" "status $status, $(grep -m1 '^faultline:' "$tmp/err" | cut -c1-100)"
else
	fail "swap size too small" "exit status $status, no message or no end" "$tmp/err"
fi

# A file that fits is used and removed, or was never to be seen.
ran "$FAULTLINE" run --quiet --ram 16M --swap "file:$tmp/t/swap" -- "$PROGRAMS/sem-madvise-dontneed" 24
expect_status "a swap path of one's own" 0 && pass "a swap path of one's own"
finish
