# Running stress-ng with --verify and telling what fails in it, for the stress-*.sh that
# are built on it. Sourced after tests/lib.sh, with $secs set.
# shellcheck shell=bash disable=SC2034,SC2154

# What ng goes by. prefix is empty or `faultline run ... --`; as is a command that starts
# stress-ng, as another user or with other limits; check is $FAULTLINE when the books of
# the managed shell above stress-ng are to be checked in the end; allowed is a pattern of
# messages that are no failures.
prefix=() as=() check=no allowed='^$'

# ng LABEL OPTION...: leaves LABEL.log, LABEL.bad with what went wrong and numbers taken
# out of it, LABEL.left with what was left over; the exit status is in $status.
ng() {
	local label=$1
	shift
	rm -rf "$tmp/work" && mkdir -m 1777 "$tmp/work"
	# shellcheck disable=SC2016 # the inner shell's
	"$SAMPLER" -i 0 -o "$tmp/sample" -t $((secs * 10 + 120)) -- "${prefix[@]}" sh -c '
		check=$1
		shift
		"$@"
		status=$?
		[ "$check" = no ] || "$check" check $$ || status=99
		exit $status' sh "$check" \
		"${as[@]}" stress-ng --temp-path "$tmp/work" --verify --oomable --timeout "${secs}s" "$@" \
		>"$tmp/$label.log" 2>&1
	status=$?
	# Numbers of processes and the like are others each time.
	grep -E 'fail:|error:|[Cc]orrupt|terminated on signal|[1-9][0-9]* failed|unsuccessful|skipping|faultline' \
		"$tmp/$label.log" | grep -v -e 'faultline check: .*: agree$' -e "$allowed" |
		sed 's/\[[0-9]*\]//; s/0x[0-9a-f]*/N/g; s/[0-9][0-9]*/N/g' | sort -u >"$tmp/$label.bad"
	{
		find "$tmp/work" -mindepth 1
		shared_left
		[ "$(sampled "$tmp/sample" leftover)" -eq 0 ] || printf '%s processes\n' "$(sampled "$tmp/sample" leftover)"
	} >"$tmp/$label.left"
}

# ng_worse NAME UNDER_STATUS: fails NAME and is true when the run labelled under shows
# something that the one labelled native, with its status in $status, does not.
ng_worse() {
	if [ "$2" -ne 0 ] && [ "$2" -ne "$status" ]; then
		fail "$1" "exit status $2, natively $status" "$tmp/under.bad" "$tmp/under.log"
	elif [ -n "$(comm -13 "$tmp/native.bad" "$tmp/under.bad")" ]; then
		comm -13 "$tmp/native.bad" "$tmp/under.bad" >"$tmp/new"
		fail "$1" "failures that are not there natively" "$tmp/new" "$tmp/under.log"
	elif ! grep -q 'run completed' "$tmp/under.log"; then
		fail "$1" "no end in the log" "$tmp/under.log"
	elif [ -s "$tmp/under.left" ] && [ ! -s "$tmp/native.left" ]; then
		fail "$1" "something is left over" "$tmp/under.left"
	else
		return 1
	fi
}
