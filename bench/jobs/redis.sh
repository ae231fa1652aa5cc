# redis-server with 50000 values of 1000 bytes, of which redis-cli gets and sets 300000 by
# Zipf's law, half of each. Timed is that; the client runs natively.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(redis-server redis-cli python3)

prepare() {
	python3 - <<-'PY'
		import itertools, random

		KEYS, COMMANDS, BYTES = 50000, 300000, 1000
		rng = random.Random(1)
		# hexadecimal digits: half of the bytes' entropy, as text has
		digits = rng.randbytes(1 << 15).hex()

		def value():
		    at = rng.randrange(len(digits) - BYTES)
		    return digits[at:at + BYTES]

		def write(path, commands):
		    with open(path, "w") as f:
		        for words in commands:
		            f.write("*%d\r\n" % len(words))
		            f.writelines("$%d\r\n%s\r\n" % (len(w), w) for w in words)

		keys = ["key%06d" % n for n in range(KEYS)]
		write("load", (("SET", key, value()) for key in keys))
		# the frequent ones are not those that were set one after the other
		rng.shuffle(keys)
		weights = list(itertools.accumulate(1 / rank ** 0.99 for rank in range(1, KEYS + 1)))
		chosen = rng.choices(keys, cum_weights=weights, k=COMMANDS)
		write("mix", (("GET", key) if rng.random() < 0.5 else ("SET", key, value()) for key in chosen))
	PY
}

job() {
	local socket=$PWD/socket status start us cli n=0
	cli=(redis-cli -s "$socket")
	measured redis-server --port 0 --unixsocket "$socket" --save '' --appendonly no --dir "$PWD" \
		--logfile "$PWD/log" --enable-debug-command local --daemonize no >/dev/null &
	local server=$!
	until [ -S "$socket" ] && "${cli[@]}" ping >/dev/null 2>&1; do
		kill -0 "$server" 2>/dev/null || { wait "$server"; return; }
		n=$((n + 1))
		[ "$n" -lt 600 ] || { kill "$server"; return 1; }
		sleep 0.1
	done
	"${cli[@]}" --pipe <"$input/load" >/dev/null
	start=$EPOCHREALTIME
	"${cli[@]}" --pipe <"$input/mix" | tail -n 1
	us=$((${EPOCHREALTIME/./} - ${start/./}))
	"${cli[@]}" dbsize
	"${cli[@]}" debug digest
	"${cli[@]}" shutdown nosave
	wait "$server"
	status=$?
	rm -f log socket
	[ -z "${here:-}" ] || printf '%d\n' "$us" >"$here/time_us"
	return $status
}
