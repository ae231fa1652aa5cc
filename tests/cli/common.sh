# What the command line tests share; sourced by each of them.
# shellcheck shell=bash disable=SC2034
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

need_faultline
make_tmp
# Everything that Faultline leaves behind would be left here.
mkdir -m 1777 "$tmp/t"
chmod 755 "$tmp"
export TMPDIR=$tmp/t

# ran COMMAND...: output in $tmp/out and $tmp/err, exit status in $status. Hangs are killed.
ran() {
	guarded "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
}

# expect_status NAME STATUS: counts; false when it is another one.
expect_status() {
	[ "$status" -eq "$2" ] && return 0
	fail "$1" "exit status $status, not $2" "$tmp/err" "$tmp/out"
	return 1
}

# The contract's form: one line, `faultline: what failed: why: what to do`.
is_message() { # FILE
	[ "$(wc -l <"$1")" -eq 1 ] && grep -qE '^faultline: [^:]+.*: .+: .+$' "$1"
}

# expect_error NAME STATUS [WORD]: the status, one line in the right form with WORD in it, no output.
expect_error() {
	expect_status "$1" "$2" || return
	if ! is_message "$tmp/err"; then
		fail "$1" "not one line 'faultline: what failed: why: what to do'" "$tmp/err"
	elif [ -n "${3:-}" ] && ! grep -q -- "$3" "$tmp/err"; then
		fail "$1" "the message does not name $3" "$tmp/err"
	elif [ -s "$tmp/out" ]; then
		fail "$1" "something on standard output" "$tmp/out"
	else
		pass "$1" "$(cut -c1-100 "$tmp/err")"
	fi
}

# expect_warning NAME STATUS OUTPUT: the program ran, after exactly one warning.
expect_warning() {
	expect_status "$1" "$2" || return
	if [ "$(cat "$tmp/out")" != "$3" ]; then
		fail "$1" "another output" "$tmp/out" "$tmp/err"
	elif ! is_message "$tmp/err"; then
		fail "$1" "not exactly one warning" "$tmp/err"
	else
		pass "$1" "$(cut -c1-100 "$tmp/err")"
	fi
}

# json_true NAME EXPRESSION [NAME=VALUE...]: the expression, Python's, is true for the object o that
# is in $tmp/out. An error in it is a failure too.
json_true() {
	local name=$1 expression=$2
	shift 2
	if python3 -c '
import json, sys
o = json.load(open(sys.argv[1]))
names = dict(a.split("=", 1) for a in sys.argv[3:])
names = {k: int(v) if v.lstrip("-").isdigit() else v for k, v in names.items()}
sys.exit(0 if eval("(" + sys.argv[2] + ")", {"o": o, **names}) else "not true")
' "$tmp/out" "$expression" "$@" 2>"$tmp/err"; then
		pass "$name"
	else
		fail "$name" "not true: $expression $*" "$tmp/err" "$tmp/out"
	fi
}

# The manual page's text without its hyphens' backslashes and font changes.
page_text() { # FILE
	sed 's/\\f[BIRP]//g; s/\\-/-/g' "$1"
}

# in_page NAME PAGE WORD...: each word is in the page, as a word.
in_page() {
	local name=$1 page=$2 word missing=""
	shift 2
	[ -r "$page" ] || { fail "$name" "no manual page ${page##*/}" && return; }
	for word; do
		page_text "$page" | grep -qE -- "(^|[^-a-z_])$word([^-a-z_]|\$)" || missing="$missing $word"
	done
	if [ -n "$missing" ]; then
		fail "$name" "${page##*/} does not have$missing"
	else
		pass "$name" "$# in ${page##*/}"
	fi
}

# What nobody may run: a copy of the tool that every user can read.
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
nobody_tool=$tmp/nobody/tools/faultline
make_nobody_tool() {
	mkdir -p "$tmp/nobody/tools" "$tmp/nobody/lib"
	cp "$FAULTLINE" "$tmp/nobody/tools/"
	cp -P "$FL_BUILD"/lib/libfaultline.so* "$tmp/nobody/lib/" 2>/dev/null
	chmod -R a+rX "$tmp/nobody"
}

need_root() {
	[ "$(id -u)" -eq 0 ] || skip_all "needs root"
}
