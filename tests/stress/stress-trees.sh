#!/bin/bash
# stress-ng's ways to make processes and threads, many at once in 64 MiB: nothing fails
# that does not fail natively, and nothing is left over.
#
#	tests/stress/stress-trees.sh [--native] [NAME]...
#
# FL_STRESS_SECS says how long each group runs (10 s). In each, two processes fill
# twice the memory there is, so that all others are paged out again and again. The whole
# runs below a managed shell; when it is the only one left its books are checked.
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/stress/ng.sh
. "$FL_TOP/tests/stress/ng.sh"

secs=${FL_STRESS_SECS:-10} native='' names=() arguments=("$@")
while [ $# -gt 0 ]; do
	case $1 in
	--native) native=yes ;;
	-*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
	*) names+=("$1") ;;
	esac
	shift
done
[ ${#names[@]} -gt 0 ] || names=(processes execs ends threads limit mmapfork)
need_faultline
have stress-ng unshare || skip_all "$missing is not installed"
own_shared_memory "${arguments[@]}"
make_tmp
chmod 711 "$tmp"
as_nobody=(setpriv --reuid nobody --regid nogroup --clear-groups)

# Not among them: forkheavy, which fills the disk, and oom-pipe and mmapmany, which fill
# tables of the kernel; session, which leaves processes behind natively too.
# mmapfork takes half of the machine's memory for files in memory: by itself.
processes=(--fork 4 --vfork 4 --clone 4 --daemon 2 --bad-altstack 1 --zombie 2 --switch 2
	--spawn 2)
ends=(--wait 2 --sigchld 2 --kill 1 --exit-group 1 --pidfd 1 --sigpipe 1 --pipe 2 --nanosleep 1)
# This one refuses to run as root.
execs=(--exec 4)
# Forks while vforkmany has every process that the machine allows: a child that gets no
# thread goes on without us, and says so.
limit=(--vforkmany 1 --fork 4)
mmapfork=(--mmapfork 2)
threads=(--pthread 2 --dekker 1 --peterson 1 --sem 1 --sem-sysv 1 --shm-sysv 1 --futex 1 --membarrier 1
	--schedpolicy 1 --context 1)

group() { # NAME OPTION...
	local name=$1 under_status
	shift
	rm -f "$tmp/stats"
	prefix=("$FAULTLINE" run "${run_options[@]}" --quiet --stats "$tmp/stats" --ram 64M --) check=$FAULTLINE
	ng under "$@" --vm 2 --vm-bytes 128M --vm-keep
	under_status=$status
	: >"$tmp/native.bad" && : >"$tmp/native.left" && status=0
	if [ "$under_status" -ne 0 ] || [ -s "$tmp/under.bad" ] || [ -s "$tmp/under.left" ]; then
		# Does it do the same by itself?
		prefix=() check=no
		ng native "$@"
	fi
	if ng_worse "$name" "$under_status"; then
		return
	elif [ "$(stat_of "$tmp/stats" pswpout)" -eq 0 ]; then
		fail "$name" "nothing was swapped out"
	else
		pass "$name" "$secs s, $(stat_of "$tmp/stats" processes_seen) processes, pswpout $(stat_of "$tmp/stats" pswpout)"
	fi
}

for name in "${names[@]}"; do
	if [ "$name" = execs ] && ! "${as_nobody[@]}" test -r "$LIBFAULTLINE"; then
		skip execs "the user nobody may not read $LIBFAULTLINE"
		continue
	fi
	as=() allowed='^$'
	case $name in
	processes) options=("${processes[@]}") ;;
	ends) options=("${ends[@]}") ;;
	execs) options=("${execs[@]}") as=("${as_nobody[@]}") ;;
	limit) options=("${limit[@]}") allowed='faultline: fork: the child cannot have' ;;
	mmapfork) options=("${mmapfork[@]}") ;;
	threads) options=("${threads[@]}") ;;
	*) fail "$name" "no such group" && continue ;;
	esac
	if [ -n "$native" ]; then
		prefix=() check=no
		ng native "${options[@]}"
		if [ "$status" -eq 0 ] && [ ! -s "$tmp/native.left" ]; then pass "$name natively"; else fail "$name natively" "exit status $status" "$tmp/native.left" "$tmp/native.log"; fi
		continue
	fi
	group "$name" "${options[@]}"
done
finish
