#!/bin/bash
# --help of the tool and of each command: on standard output, exit 0, 80
# columns; and every option of it, and every counter, is in the manual page.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

help_of() { # NAME COMMAND...
	local name=$1 wide
	shift
	ran "$FAULTLINE" "$@"
	expect_status "$name" 0 || return
	wide=$(expand "$tmp/out" | awk 'length > 80' | head -1)
	if [ ! -s "$tmp/out" ]; then
		fail "$name" "nothing on standard output"
	elif [ -s "$tmp/err" ]; then
		fail "$name" "something on standard error" "$tmp/err"
	elif [ -n "$wide" ]; then
		fail "$name" "wider than 80 columns: $wide"
	else
		pass "$name" "$(wc -l <"$tmp/out") lines"
	fi
}

help_of "faultline --help" --help
commands=$(sed -n 's/^  *\([a-z][a-z]*\)  .*/\1/p' "$tmp/out" | sort -u)
for command in run ps maps smaps layout mm pagetable page buddyinfo zoneinfo swaps vmstat check; do
	grep -qx "$command" <<<"$commands" || fail "faultline --help" "does not name $command" "$tmp/out"
done
# shellcheck disable=SC2086 # a list
for command in $(printf '%s\n' run ps maps smaps layout mm pagetable page buddyinfo zoneinfo swaps vmstat check $commands | sort -u); do
	[ "$command" != help ] || continue
	help_of "faultline $command --help" "$command" --help
done

man=$FL_TOP/docs/man
ran "$FAULTLINE" --help
# shellcheck disable=SC2046,SC2086 # words
in_page "the tool's options and commands" "$man/faultline.1" $commands \
	$(grep -oE -- '(^|[ ,])--?[a-zA-Z][-a-z]*' "$tmp/out" | tr -d ' ,' | sort -u)
for command in $commands; do
	case $command in help | version) continue ;; esac
	ran "$FAULTLINE" "$command" --help
	# shellcheck disable=SC2046 # words
	in_page "options of $command" "$man/faultline-$command.1" \
		$(grep -oE -- '^ +(-[a-zA-Z], )?--?[a-zA-Z][-a-z]*' "$tmp/out" | tr -d , | sort -u)
done
# shellcheck disable=SC2046 # words
in_page "counters" "$man/faultline-run.1" \
	$(sed -n 's/^[[:space:]]*X(\([a-z_]*\), ".*/\1/p' "$FL_TOP/include/faultline/stats.h")
ran "$FAULTLINE"
if [ "$status" -eq 2 ] && [ -s "$tmp/err" ] && [ ! -s "$tmp/out" ]; then
	pass "faultline without arguments"
else
	fail "faultline without arguments" "exit status $status, not 2 with a message" "$tmp/out" "$tmp/err"
fi
ran "$FAULTLINE" --version
if [ "$status" -eq 0 ] && grep -q '[0-9]\.[0-9]' "$tmp/out"; then
	pass "faultline --version"
else
	fail "faultline --version" "exit status $status" "$tmp/out" "$tmp/err"
fi
finish
