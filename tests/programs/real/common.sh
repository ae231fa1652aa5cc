# What the real-program jobs build on. A job is a small script that is sourced
# by tests/run-programs and defines
#
#	needs		the programs without which it is skipped
#	prepare		makes its input in the current directory, once
#	why_not		a reason to skip it that was found when it was sourced
#	slack_kib	what it may have resident beyond what the statistics say
#	job		runs it in a fresh directory; its input is in $input
#
# job calls `measured PROGRAM [ARGS]` for the program under test, natively or
# under Faultline with the process tree's anonymous memory sampled, and the
# checks around it as plain commands. Its standard output, every file that it
# leaves in the directory and its exit status are compared. Everything is
# deterministic, and smaller when $quick is set.
# shellcheck shell=bash disable=SC2034

needs=() sample_ms=10 why_not='' slack_kib=0

# prefix is empty or `faultline run ... --`; sample is where the sampler's figures go.
# sample_ms is the time between two samples. A line that the job writes to $note is shown,
# and not compared.
measured() {
	"$SAMPLER" -i "$sample_ms" -t "$FL_TEST_TIMEOUT" -x faultline -o "$sample" -- "${prefix[@]}" "$@"
}

# size FULL QUICK
size() {
	if [ -n "$quick" ]; then printf '%s\n' "$2"; else printf '%s\n' "$1"; fi
}

# numbers COUNT: lines of a fixed pseudo-random sequence, 16 hexadecimal digits each.
numbers() {
	awk -v n="$1" 'BEGIN {
		x = 12345
		for (i = 0; i < n; i++) {
			x = (x * 16807) % 2147483647
			y = (x * 48271) % 2147483647
			printf "%08x%08x\n", x, y
		}
	}'
}

# A marker that the programs under test do not see.
digest() {
	sha256sum | cut -d' ' -f1
}
