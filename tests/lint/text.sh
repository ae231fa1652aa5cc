#!/bin/bash
# What can be said of a file by its text: white space, length, shell scripts.
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

most_lines=400 # of one C file of lib or tools: one concept a file
cd "$FL_TOP" || exit 1
make_tmp

if git ls-files --cached --others --exclude-standard >"$tmp/all" 2>/dev/null && [ -s "$tmp/all" ]; then
	:
else
	find . -type f -not -path './build*' -not -path './.git/*' >"$tmp/all"
fi
mapfile -t files < <(while read -r f; do [ -f "$f" ] && printf '%s\n' "$f"; done <"$tmp/all")

grep -nI '[[:blank:]]$' -- "${files[@]}" /dev/null >"$tmp/blanks"
if [ -s "$tmp/blanks" ]; then fail "no blanks at a line's end" "see" "$tmp/blanks"; else pass "no blanks at a line's end"; fi

for f in "${files[@]}"; do
	[ ! -s "$f" ] || [ -z "$(tail -c 1 "$f")" ] || printf '%s\n' "$f"
done >"$tmp/ends"
if [ -s "$tmp/ends" ]; then fail "a newline at the end" "not in" "$tmp/ends"; else pass "a newline at the end"; fi

grep -lI $'\r' -- "${files[@]}" /dev/null >"$tmp/cr"
if [ -s "$tmp/cr" ]; then fail "no carriage returns" "in" "$tmp/cr"; else pass "no carriage returns"; fi

for f in "${files[@]}"; do
	case $f in
	lib/*.[chS] | ./lib/*.[chS] | tools/*.[ch] | ./tools/*.[ch])
		n=$(wc -l <"$f")
		[ "$n" -le "$most_lines" ] || printf '%s: %d lines\n' "$f" "$n"
		;;
	esac
done >"$tmp/long"
if [ -s "$tmp/long" ]; then fail "at most $most_lines lines a file" "more in" "$tmp/long"; else pass "at most $most_lines lines a file"; fi

# Every C file of the library and the tools says first what it is.
for f in lib/*/*.[ch] lib/arch/*/*.[chS] tools/*.[ch]; do
	case $(head -c 2 "$f") in
	'/*') ;;
	*) printf '%s\n' "$f" ;;
	esac
done >"$tmp/title"
if [ -s "$tmp/title" ]; then fail "a title comment" "not in" "$tmp/title"; else pass "a title comment"; fi

if have shellcheck; then
	mapfile -t scripts < <(for f in "${files[@]}"; do
		head -n 1 "$f" | grep -qaE '^#!/bin/(ba)?sh' && printf '%s\n' "$f"
	done)
	if shellcheck -x -S warning "${scripts[@]}" >"$tmp/shellcheck" 2>&1; then
		pass "shellcheck" "${#scripts[@]} scripts"
	else
		fail "shellcheck" "see" "$tmp/shellcheck"
	fi
else
	skip "shellcheck" "it is not installed"
fi
finish
