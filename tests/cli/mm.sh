#!/bin/bash
# shellcheck disable=SC2034 # what the shared functions read
# mm against the kernel's own figures: a program natively, and the same under Faultline, each before
# and after it has mapped a known amount of memory of each kind.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

have python3 || skip_all "python3 is not installed"
mkfifo "$tmp/in" "$tmp/from"
head -c $((2 << 20)) /dev/zero | tr '\0' x >"$tmp/file"

# stage N COMMAND: waits until the program is there, sets $pid and $said, and runs the command.
stage() {
	local n=$1 word
	shift
	read -r -t "$FL_TEST_TIMEOUT" word number pid said <&8 || return
	[ "$number" = "$n" ] || return
	"$@" && echo >&7
}

# start COMMAND...: sets $tool
start() {
	"$@" "$PROGRAMS/mm-stages" "$tmp/file" <"$tmp/in" >"$tmp/from" &
	tool=$!
	exec 7>"$tmp/in" 8<"$tmp/from"
}

ends() { # NAME
	exec 7>&-
	wait "$tool"
	status=$?
	exec 8<&-
	expect_status "$1" 0 && pass "$1"
}

# In pages, under the names that mm has.
native() { # FILE
	awk '$3 == "kB" { n[$1] = $2 / 4 } END {
		print "total_vm", n["VmSize:"]; print "data_vm", n["VmData:"]
		print "stack_vm", n["VmStk:"]; print "exec_vm", n["VmExe:"] + n["VmLib:"]
		print "locked_vm", n["VmLck:"]; print "pinned_vm", n["VmPin:"]
		print "MM_FILEPAGES", n["RssFile:"]; print "MM_ANONPAGES", n["RssAnon:"]
		print "MM_SHMEMPAGES", n["RssShmem:"]; print "MM_SWAPENTS", n["VmSwap:"] }' \
		"/proc/$pid/status" >"$1"
}

managed() { # FILE
	"$FAULTLINE" mm --json "$pid" >"$1.json" &&
		python3 -c '
import json, sys
for name, f in json.load(open(sys.argv[1]))["fields"].items():
    if f["unit"] == "pages":
        print(name, f["value"])' "$1.json" >"$1"
	"$FAULTLINE" maps --json "$pid" >"$1.areas"
	cp "/proc/$pid/stat" "$1.stat"
}

start env
if ! stage 0 native "$tmp/native.0" || ! stage 1 native "$tmp/native.1"; then
	fail "natively" "it did not start"
	finish
fi
ends "natively"
# Pages beside those that are touched would be counted too.
start "$FAULTLINE" run --quiet --fault-around=1 --
if ! stage 0 managed "$tmp/managed.0" || ! stage 1 managed "$tmp/managed.1"; then
	fail "under Faultline" "it did not start"
	finish
fi
ends "under Faultline"

# delta NAME WHO: what a field has grown by
delta() {
	awk -v name="$1" '$1 == name { print $2 * (FILENAME ~ /1$/ ? 1 : -1) }' "$tmp/$2.0" "$tmp/$2.1" |
		awk '{ sum += $1; n++ } END { print n == 2 ? sum : "none" }'
}
# How far the stack has grown depends on the environment below which it begins, a page or so.
for who in native managed; do
	for n in 0 1; do
		awk '{ n[$1] = $2 } END { print "all_but_stack", n["total_vm"] - n["stack_vm"] }' \
			"$tmp/$who.$n" >>"$tmp/$who.$n"
	done
done
want=$(delta stack_vm native) got=$(delta stack_vm managed)
if [ "$want" -ge 220 ] && [ $((got - want)) -le 2 ] && [ $((want - got)) -le 2 ]; then
	pass "stack_vm" "$got pages more, natively $want"
else
	fail "stack_vm" "$got pages more, natively $want" "$tmp/native.1" "$tmp/managed.1"
fi
for field in all_but_stack data_vm exec_vm locked_vm pinned_vm MM_FILEPAGES MM_ANONPAGES \
	MM_SHMEMPAGES MM_SWAPENTS; do
	want=$(delta $field native) got=$(delta $field managed) differ=0
	# the stack is anonymous memory too; of code the kernel maps what lies around as it likes
	case $field in
	MM_ANONPAGES) differ=2 ;;
	MM_FILEPAGES) differ=128 ;;
	esac
	[ "$want" != none ] && [ $((got - want)) -le $differ ] && [ $((want - got)) -le $differ ] && got=$want
	if [ "$want" = "$got" ] && [ "$want" != none ]; then
		pass "$field" "$got pages more, as natively"
	else
		fail "$field" "$got pages more, natively $want" "$tmp/native.1" "$tmp/managed.1"
	fi
done
# It is known what the program maps: the kernel's figures are not all nothing.
if [ "$(delta total_vm native)" -ge 8448 ] && [ "$(delta exec_vm native)" -eq 256 ] &&
	[ "$(delta locked_vm native)" -eq 384 ] && [ "$(delta MM_SHMEMPAGES native)" -eq 768 ]; then
	pass "the program's own amounts"
else
	fail "the program's own amounts" "not what mm-stages maps" "$tmp/native.0" "$tmp/native.1"
fi

cp "$tmp/managed.1.json" "$tmp/out"
# shellcheck disable=SC2086 # words
json_true "where things are" '(lambda f: f("start_code") <= main < etext <= f("end_code") and
	f("start_data") <= data < edata <= f("end_data") and f("brk") == brk and
	f("arg_start") == arg < f("arg_end") == f("env_start") == env < f("env_end") and
	f("start_stack") < f("arg_start") < f("task_size") == 0x7ffffffff000 and
	f("start_brk") < f("brk") < f("mmap_base") < f("start_stack") and
	f("mmap_legacy_base") < f("mmap_base"))(
	lambda name: int(o["fields"][name]["value"], 16))' $said
read -r areas mapped < <(python3 -c '
import json, sys
vmas = json.load(open(sys.argv[1]))["vmas"]
print(len(vmas), sum(int(v["end"], 16) - int(v["start"], 16) for v in vmas) // 4096)' "$tmp/managed.1.areas")
# the mirror learns late that the stack has grown, which maps shows as the mirror has it
grown=$(awk '$1 == "stack_vm" { print $2 }' "$tmp/managed.1")
json_true "all areas together" '(lambda f: f("map_count") == areas and
	mapped <= f("total_vm") <= mapped + grown)(lambda n: o["fields"][n]["value"])' \
	"areas=$areas" "mapped=$mapped" "grown=$grown"
read -r -a stat <"$tmp/managed.1.stat"
json_true "start_brk as the kernel has it" 'int(o["fields"]["start_brk"]["value"], 16) == kernel' \
	"kernel=${stat[46]}"
json_true "who uses it" 'o["fields"]["mm_users"]["value"] == 1 <
	o["fields"]["mm_count"]["value"] <= 4 and o["fields"]["owner"]["value"] == pid and
	o["fields"]["exe_file"]["value"].endswith("/mm-stages")' "pid=$pid"
json_true "the parts of MM_ANONPAGES" '(lambda f: f("MM_ANONPAGES") ==
	f("mapped") + f("soft") + f("swapin") + f("unmanaged"))(lambda n: o["fields"][n]["value"])'
json_true "peaks" '(lambda f: f("hiwater_vm") >= f("total_vm") and f("hiwater_rss") >= f("mapped"))(
	lambda n: o["fields"][n]["value"])'

# A limited one, its text.
start "$FAULTLINE" run --quiet --ram 4M --
text() {
	ran "$FAULTLINE" mm "$pid"
	cp "$tmp/out" "$tmp/text"
	managed "$tmp/limited.1"
}
if stage 0 true && stage 1 text; then
	if [ -z "$(awk 'length > 80 && !/^  \// && !/exe_file/' "$tmp/text")" ] && [ "$status" -eq 0 ] &&
		[ ! -s "$tmp/err" ]; then
		pass "mm in 80 columns" "$(wc -l <"$tmp/text") lines"
	else
		fail "mm in 80 columns" "wider, or an error" "$tmp/text" "$tmp/err"
	fi
	cp "$tmp/limited.1.json" "$tmp/out"
	json_true "MM_SWAPENTS in less than it needs" 'o["fields"]["MM_SWAPENTS"]["value"] >= 1024'
else
	fail "in less than it needs" "it did not start"
fi
ends "in less than it needs"
finish
