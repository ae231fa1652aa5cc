#!/bin/bash
# stress-ng's stressors of the whole of mm, one after the other in 64 MiB with --verify:
# nothing fails that does not fail natively, and nothing is left over.
#
#	tests/stress/stress-mm.sh [--long] [--list] [--native] [NAME]...
#
# FL_STRESS_SECS says how long each runs: 2 s, with --long 20 s. Beside each of them
# another process fills more than the memory there is, so that what the stressor has
# is paged out and in. Which ones exist is what this stress-ng says itself.
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/stress/ng.sh
. "$FL_TOP/tests/stress/ng.sh"

# Not among them: resources, which fills the disk.
all=(vm mmap mmapaddr mmapfixed mmaphuge mmapmany mremap brk bigheap malloc madvise mincore mlock mprotect
	msync msyncmany munmap memfd shm shm-sysv dev-shm remap stack stackmmap sigsegv sigbus vma vm-addr vm-rw
	vm-segv vm-splice zero full pageswap pagemove physpage pkey prefetch userfaultfd sigaltstack bad-altstack rmap
	fault tmpfs idle-page secretmem numa memthrash)

secs=2 list='' native='' names=() arguments=("$@")
while [ $# -gt 0 ]; do
	case $1 in
	--long) secs=20 ;;
	--list) list=yes ;;
	--native) native=yes ;;
	-*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
	*) names+=("$1") ;;
	esac
	shift
done
secs=${FL_STRESS_SECS:-$secs}
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")
[ -z "$list" ] || { printf '%s\n' "${names[@]}" && exit 0; }
need_faultline
have stress-ng unshare prlimit setpriv || skip_all "$missing is not installed"
own_shared_memory "${arguments[@]}"
make_tmp

# What the stressor tmpfs looks for: one that is not /dev/shm.
mkdir "$tmp/tmpfs"
mount -t tmpfs fl-test "$tmp/tmpfs" || skip_all "mount: no tmpfs of its own"
# Where it may, physpage writes to the registers of memory types, which a virtual machine may not keep.
[ ! -e /proc/mtrr ] || mount --bind /dev/null /proc/mtrr || skip_all "mount: no /proc/mtrr of its own"
# shellcheck disable=SC2317 # called by name
unmount() {
	umount "$tmp/tmpfs"
}
at_exit unmount

# options_of NAME: how it is started, in $options and $as. Stressors that take what they get
# until there is no more find an end in the same limit both ways.
options_of() {
	as=()
	options=("--$1" 1)
	case $1 in
	vm) options=(--vm 2 --vm-bytes 256M --vm-method all) ;;
	mmap) options=(--mmap 2 --mmap-bytes 128M --mmap-mprotect) ;;
	mremap) options=(--mremap 2 --mremap-bytes 64M) ;;
	malloc | brk | bigheap) as=(prlimit "--data=$((1 << 30))") ;;
	mlock) as=(prlimit "--memlock=$((4 << 20))" setpriv --bounding-set=-ipc_lock) ;;
	stack) options+=(--stack-fill) as=(prlimit "--stack=$((8 << 20)):$((8 << 20))") ;;
	shm) options+=(--shm-bytes 32M) ;;
	esac
}

# Why the run labelled $1 shows nothing of its stressor, if that is what stress-ng says.
not_here() {
	sed -n 's/^stress-ng: [a-z]*: *\[[0-9]*\] //p' "$tmp/$1.log" |
		grep -E 'will be skipped|not implemented|No stress workers|cannot find writeable' | head -n 1
}

# The operations that stress-ng counted.
operations() { # LABEL NAME
	awk -v name="$2" '$2 == "metrc:" && $4 == name { print $5; exit }' "$tmp/$1.log"
}

# A stressor with pages of others around it.
case_of() { # NAME
	local name=$1 under_status
	options_of "$name"
	rm -f "$tmp/stats"
	prefix=("$FAULTLINE" run "${run_options[@]}" --quiet --stats "$tmp/stats" --ram 64M --) check=$FAULTLINE
	[ "$name" = vm ] || options+=(--vm 1 --vm-bytes 96M --vm-keep)
	ng under "${options[@]}" --metrics-brief
	under_status=$status
	: >"$tmp/native.log" && : >"$tmp/native.bad" && : >"$tmp/native.left" && status=0
	if [ "$under_status" -ne 0 ] || [ -s "$tmp/under.bad" ] || [ -s "$tmp/under.left" ] || [ -n "$(not_here under)" ]; then
		# Does it do the same by itself?
		prefix=() check=no
		ng native "${options[@]}" --metrics-brief
	fi
	if [ -n "$(not_here native)" ] && [ -n "$(not_here under)" ]; then
		pass "$name" "as natively: $(not_here native)"
	elif [ -n "$(not_here under)" ]; then
		fail "$name" "natively it runs" "$tmp/under.log"
	elif [ -n "$(not_here native)" ]; then
		fail "$name" "natively it does not run" "$tmp/native.log"
	elif ng_worse "$name" "$under_status"; then
		return
	else
		pswpout=$((pswpout + $(stat_of "$tmp/stats" pswpout)))
		pass "$name" "$secs s, $(operations under "$name") operations, pswpout $(stat_of "$tmp/stats" pswpout)"
	fi
}

there=" $(stress-ng --stressors) " absent=() pswpout=0
for name in "${names[@]}"; do
	case $there in
	*" $name "*) ;;
	*) absent+=("$name") && continue ;;
	esac
	if [ -n "$native" ]; then
		options_of "$name"
		ng native "${options[@]}" --metrics-brief
		if [ -n "$(not_here native)" ]; then
			skip "$name" "$(not_here native)"
		elif [ "$status" -eq 0 ] && [ ! -s "$tmp/native.left" ]; then
			pass "$name natively" "$(operations native "$name") operations"
		else
			fail "$name natively" "exit status $status" "$tmp/native.left" "$tmp/native.log"
		fi
		continue
	fi
	case_of "$name"
done
[ -n "$native" ] || [ "$passed" -eq 0 ] || [ "$pswpout" -gt 0 ] || fail "memory" "nothing was swapped out in any of them"
# no skip: there is nothing here that could be run
[ ${#absent[@]} -eq 0 ] || printf 'none  %s has no %s\n' "$(stress-ng --version | cut -d' ' -f1-3 | tr -d ,)" "${absent[*]}"
finish
