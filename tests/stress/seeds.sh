# What the tests over several seeds share; sourced after tests/lib.sh.
# shellcheck shell=bash disable=SC2034,SC2154

# take_seeds COUNT [--native] [SEED]...: leaves $native (yes or empty) and $seeds, the first COUNT
# where none are given; and $tmp.
take_seeds() {
	local count=$1
	shift
	native=''
	[ "${1:-}" != --native ] || { native=yes && shift; }
	if [ $# -gt 0 ]; then
		seeds=("$@")
	else
		mapfile -t seeds < <(seq 1 "$count")
	fi
	[ -n "$native" ] || need_faultline
	make_tmp
}

# write_check: leaves $tmp/check, which compares the processes that it is given with the kernel
# and adds up the books of their tree.
write_check() {
	cat >"$tmp/check" <<-SH
		#!/bin/sh
		'$FAULTLINE' check "\$@" && '$FL_BUILD/tests/stress/tree-books' "\$@"
	SH
}

# storm WHAT PROGRAM SEED KILLS [OPTION...]: runs it under `faultline run` with these options, but
# for --native; when the root is alone it runs $tmp/check. It counts as WHAT.
storm() {
	local what=$1 program=$2 seed=$3 kills=$4 prefix=() status
	shift 4
	rm -f "$tmp/stats"
	write_check
	if [ -n "$native" ]; then
		echo : >"$tmp/check"
	else
		prefix=("$FAULTLINE" run "${run_options[@]}" --quiet --stats "$tmp/stats" "$@" --)
	fi
	FAULTLINE_CHECK="sh $tmp/check" guarded "${prefix[@]}" \
		"$PROGRAMS/$program" --seed "$seed" --kills "$kills" >"$tmp/out" 2>"$tmp/err"
	status=$?
	if [ "$status" -ne 0 ]; then
		fail "$what" "exit status $status" "$tmp/err" "$tmp/out"
	elif grep -q '^faultline: ' "$tmp/err"; then
		fail "$what" "a message of Faultline's" "$tmp/err"
	elif [ -z "$native" ] && [ "$(stat_of "$tmp/stats" pswpout)" -eq 0 ]; then
		fail "$what" "nothing was swapped out"
	else
		pass "$what" "$(tail -1 "$tmp/err")"
	fi
}
