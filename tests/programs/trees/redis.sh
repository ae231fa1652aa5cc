# What the jobs with redis share: a server that is loaded with known commands, forks
# for COMMAND in the middle of them, and a native server that reads what was saved.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(redis-server redis-cli /usr/bin/python3)
# A sample walks the tables of both processes: less often where they are large.
sample_ms=$(size 100 10)

# Half of the keys, be it natively twice as much while a child saves them.
budgets() {
	size $((512 * 1024)) $((32 * 1024))
}

prepare() {
	:
}

# Waits until the server of this job answers: SOCKET PID-OF-WHAT-RUNS-IT
answers() {
	local n=0
	until [ "$(redis-cli -s "$1" ping 2>/dev/null)" = PONG ]; do
		kill -0 "$2" 2>/dev/null || return 1
		n=$((n + 1))
		[ "$n" -lt 6000 ] || return 1
		sleep 0.1
	done
}

# saves COMMAND WHICH OPTION...: WHICH is the state that the saved files must have.
saves() {
	local command=$1 which=$2 socket=$PWD/socket result=0 status server
	local load=(/usr/bin/python3 "$FL_TOP/tests/programs/trees/redis-load.py")
	shift 2
	local options=(--port 0 --unixsocket "$socket" --save '' --dir "$PWD" --auto-aof-rewrite-percentage 0 "$@")

	measured redis-server "${options[@]}" --logfile "$PWD/log" >/dev/null &
	server=$!
	answers "$socket" "$server" || { wait "$server"; cat log >&2; return 1; }
	"${load[@]}" run "$socket" "$(size 1000000 60000)" "$command" "$PWD/state" "$note" || result=1
	# Its allocator maps memory before Faultline starts in it: the books must know that, too.
	if [ ${#prefix[@]} -gt 0 ]; then
		"$FAULTLINE" check "$(redis-cli -s "$socket" info server | sed -n 's/^process_id:\([0-9]*\).*/\1/p')" >check.out ||
			{ cat check.out >&2; result=1; }
	fi
	# With an AOF this writes what is not there yet; the dump stays that of the fork.
	redis-cli -s "$socket" shutdown nosave
	wait "$server"
	status=$?
	[ "$result" -eq 0 ] || tail -n 20 log >&2
	rm -f socket
	if [ "$status" -ne 0 ] || [ "$result" -ne 0 ]; then
		rm -rf ./*
		return $((status ? status : 1))
	fi

	redis-server "${options[@]}" --logfile "$PWD/log.check" >/dev/null &
	server=$!
	if answers "$socket" "$server"; then
		"${load[@]}" check "$socket" "$PWD/state" "$which" || result=1
		redis-cli -s "$socket" shutdown nosave
	else
		cat log.check >&2
		result=1
	fi
	wait "$server" || result=1
	rm -rf ./*
	return $result
}
