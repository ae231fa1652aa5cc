#!/bin/bash
# Includes go one way only: docs/ARCHITECTURE.md draws the arrows, this holds
# the code to them. A row is a room, and the rooms it may include besides itself.
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

declare -A may=(
	[base]="arch/x86_64/syscall.h"
	[arch/x86_64]="base"
	[mm]="base"
	[swap]="base arch/x86_64/syscall.h"
	[machine]="base arch/x86_64/syscall.h mm swap faultline"
	[reclaim]="base mm"
	[pager]="base arch/x86_64/syscall.h mm swap machine reclaim faultline"
	[fault]="base arch/x86_64/syscall.h mm pager machine faultline"
	[runtime]="base arch/x86_64 mm swap machine reclaim pager fault faultline"
	[interpose]="base arch/x86_64 mm swap machine pager fault runtime faultline"
	[tools]="base arch/x86_64/syscall.h machine faultline"
)

# includes FILE: the quoted ones
includes() {
	sed -n 's/^[ \t]*#[ \t]*include[ \t]*"\([^"]*\)".*/\1/p' "$1"
}

# allowed ROOM INCLUDE
allowed() {
	local room=$1 file=$2 a
	[ "${file%/*}" != "$room" ] || return 0
	for a in ${may[$room]}; do
		[ "$file" != "$a" ] && [ "${file%/*}" != "$a" ] || return 0
	done
	return 1
}

check() { # ROOM DIRECTORY
	local room=$1 f i bad=0
	for f in "$2"/*.[chS]; do
		[ -e "$f" ] || continue
		while read -r i; do
			# Without a folder: a header of the tools, beside the file.
			[[ $i == */* ]] || { [ "$room" = tools ] && [ -e "$2/$i" ] && continue; }
			allowed "$room" "$i" && continue
			fail "$room" "${f#"$FL_TOP"/} includes $i: $room may include ${may[$room]}"
			bad=1
		done < <(includes "$f")
	done
	[ $bad -ne 0 ] || pass "$room"
}

for dir in "$FL_TOP"/lib/*/; do
	room=$(basename "$dir")
	[ "$room" != arch ] || room=arch/x86_64
	if [ -z "${may[$room]:-}" ]; then
		fail "$room" "a room that docs/ARCHITECTURE.md and tests/lint/layers.sh do not know"
		continue
	fi
	check "$room" "$FL_TOP/lib/$room"
done
check tools "$FL_TOP/tools"

# Public headers stand by themselves.
bad=$(grep -HnE '^[ \t]*#[ \t]*include[ \t]*"' "$FL_TOP"/include/faultline/*.h | grep -v '"faultline/')
if [ -n "$bad" ]; then
	fail include "a public header includes something private: $bad"
else
	pass include
fi
# mm and reclaim are bookkeeping: no system call, no thread.
for room in mm reclaim; do
	bad=$(grep -lE 'fl_syscall|<sys/syscall.h>|<pthread.h>|<unistd.h>|<sys/mman.h>' "$FL_TOP/lib/$room"/*.[ch])
	if [ -n "$bad" ]; then
		fail "$room makes no system calls" "$bad"
	else
		pass "$room makes no system calls"
	fi
done
finish
