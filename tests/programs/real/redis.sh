# redis-server: fixed keys by pipe, redis-benchmark on it, a snapshot by a
# forked child, and every key read back; the clients run natively.
# shellcheck shell=bash disable=SC2034
needs=(redis-server redis-cli redis-benchmark awk)

prepare() {
	awk -v n="$(size 120000 50000)" 'BEGIN {
		x = 1
		for (i = 0; i < n; i++) {
			x = (x * 16807) % 2147483647
			v = ""
			for (k = 0; k < 40 + x % 60; k++)
				v = v sprintf("%08x", (x * (k + 1)) % 2147483647)
			printf "SET fixed:%07d %s\r\n", i, v
		}
	}' >writes
	awk -v n="$(size 120000 50000)" 'BEGIN {
		for (i = 0; i < n; i += 100) {
			printf "MGET"
			for (k = i; k < i + 100; k++)
				printf " fixed:%07d", k
			printf "\n"
		}
	}' >reads
}

job() {
	local socket=$PWD/socket status cli n=0
	cli=(redis-cli -s "$socket")
	measured redis-server --port 0 --unixsocket "$socket" --save '' --appendonly no --dbfilename dump.rdb \
		--dir "$PWD" --logfile "$PWD/log" --enable-debug-command local --daemonize no >/dev/null &
	local server=$!
	until [ -S "$socket" ] && "${cli[@]}" ping >/dev/null 2>&1; do
		kill -0 "$server" 2>/dev/null || { wait "$server"; return; }
		n=$((n + 1))
		[ "$n" -lt 600 ] || { kill "$server"; return 1; }
		sleep 0.1
	done
	"${cli[@]}" --pipe <"$input/writes" | grep -v '^All data\|^Last reply'
	redis-benchmark -s "$socket" -q -n "$(size 20000 5000)" -c 20 -d 400 -t set,get,lpush,lpop,incr >/dev/null
	"${cli[@]}" dbsize
	"${cli[@]}" debug digest
	"${cli[@]}" bgsave >/dev/null
	until "${cli[@]}" info persistence | grep -q '^rdb_bgsave_in_progress:0'; do
		sleep 0.1
	done
	"${cli[@]}" info persistence | grep '^rdb_last_bgsave_status' | tr -d '\r'
	"${cli[@]}" <"$input/reads" | digest
	# The snapshot is what the memory is.
	"${cli[@]}" debug reload nosave >/dev/null 2>&1
	"${cli[@]}" debug digest
	"${cli[@]}" shutdown nosave
	wait "$server"
	status=$?
	rm -f dump.rdb log socket
	return $status
}
