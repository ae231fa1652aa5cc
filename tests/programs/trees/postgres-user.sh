# postgres again, with the tool itself started by a user who owns /dev/userfaultfd and
# has no capabilities. The device is one of this job's own, in a namespace of its own.
# shellcheck shell=bash disable=SC2034,SC2154
# shellcheck source=tests/programs/trees/postgres.sh
. "$FL_TOP/tests/programs/trees/postgres.sh"
[ -c /dev/userfaultfd ] || why_not="there is no /dev/userfaultfd"

# The smaller size shows it.
size() {
	printf '%s\n' "$2"
}

start_as_user() {
	local before=() device=$tmp/userfaultfd
	if [ ${#prefix[@]} -gt 0 ]; then
		rm -f "$device"
		mknod -m 600 "$device" c "$(stat -c 0x%t /dev/userfaultfd)" "$(stat -c 0x%T /dev/userfaultfd)" && : >"$tmp/stats" &&
			chown "$user" "$device" "$tmp/stats" || return
		# shellcheck disable=SC2016 # the inner shell's
		before=(unshare --mount sh -c 'mount --bind "$0" /dev/userfaultfd && exec "$@"' "$device"
			"${as_user[@]}" "${prefix[@]}")
	else
		before=("${as_user[@]}")
	fi
	prefix=("${before[@]}")
	measured "$@"
}
