# Running one job natively and under Faultline and comparing the two, for
# run-programs and run-trees. Sourced after tests/lib.sh; jobs are described in
# tests/programs/real/common.sh.
# shellcheck shell=bash disable=SC2034 # what the jobs and the scripts read

# shellcheck source=tests/programs/real/common.sh
. "$FL_TOP/tests/programs/real/common.sh"

# Below this a budget is refused or meaningless; small jobs get this much.
least_kib=8192

now_ms() {
	local t=${EPOCHREALTIME/./}
	printf '%s\n' $((t / 1000))
}

seconds() { # MS
	printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100))
}

# run_job JOB LABEL: everything that is compared goes to $tmp/LABEL.*
run_job() {
	local start input=$tmp/input sample=$tmp/$2.sample note=$tmp/$2.note
	rm -rf "$tmp/run" "$tmp/tmpdir" "$note" && mkdir "$tmp/run" && mkdir -m 1777 "$tmp/tmpdir"
	start=$(now_ms)
	(
		# shellcheck source=/dev/null
		. "$FL_TOP/tests/programs/$1.sh"
		export TMPDIR=$tmp/tmpdir
		cd "$tmp/run" && job
	) >"$tmp/$2.stdout" 2>"$tmp/$2.stderr" </dev/null
	status=$?
	elapsed=$(($(now_ms) - start))
	(cd "$tmp/run" && find . -type f -print0 | sort -z | xargs -0r sha256sum) >"$tmp/$2.files"
	(cd "$tmp/tmpdir" && find . -mindepth 1) >"$tmp/$2.left"
	rm -rf "$tmp/run" "$tmp/tmpdir"
}

# native JOB: the run that all others are compared with; false when there is none.
native() {
	local name=${1##*/}
	[ -r "$FL_TOP/tests/programs/$1.sh" ] || { fail "$name" "no such job"; return 1; }
	needs=() sample_ms=10 why_not='' slack_kib=0
	# shellcheck source=/dev/null
	. "$FL_TOP/tests/programs/$1.sh"
	have "${needs[@]}" || { skip "$name" "$missing is not installed"; return 1; }
	[ -z "$why_not" ] || { skip "$name" "$why_not"; return 1; }
	rm -rf "$tmp/input" && mkdir "$tmp/input"
	(cd "$tmp/input" && prepare) || { fail "$name" "its input cannot be made"; return 1; }
	prefix=()
	run_job "$1" native
	native_status=$status native_ms=$elapsed
	native_peak=$(sampled "$tmp/native.sample" peak_kib)
	if [ "$status" -ne 0 ]; then
		fail "$name natively" "exit status $status" "$tmp/native.stderr" "$tmp/native.stdout"
		return 1
	fi
}

# Once more natively: a job that is not the same twice shows nothing.
native_again() { # JOB
	local name=${1##*/}
	run_job "$1" again
	if cmp -s "$tmp/native.stdout" "$tmp/again.stdout" && cmp -s "$tmp/native.files" "$tmp/again.files"; then
		pass "$name natively" "$(seconds "$native_ms"), peak $((native_peak / 1024)) MiB$(notes native)"
	else
		fail "$name natively" "not the same twice" "$tmp/native.stdout" "$tmp/again.stdout"
	fi
}

# What the job noted in its run, for the line that is printed.
notes() { # LABEL
	[ ! -s "$tmp/$1.note" ] || printf ', %s' "$(paste -sd, "$tmp/$1.note" | sed 's/,/, /g')"
}

# under JOB WHAT RAM_KIB
under() {
	local what=$2 ram=$3 peak limit processes
	[ "$ram" -ge "$least_kib" ] || ram=$least_kib
	rm -f "$tmp/stats"
	prefix=("$FAULTLINE" run "${run_options[@]}" --quiet --stats "$tmp/stats" --ram "${ram}K" --)
	run_job "$1" under
	peak=$(sampled "$tmp/under.sample" peak_kib)
	processes=$(sampled "$tmp/under.sample" processes)
	limit=$(($(resident_limit_kib "$tmp/stats" "$ram") + slack_kib))
	if [ "$status" -ne "$native_status" ]; then
		fail "$what" "exit status $status, natively $native_status" "$tmp/under.stderr" "$tmp/under.stdout"
	elif ! cmp -s "$tmp/native.stdout" "$tmp/under.stdout"; then
		diff "$tmp/native.stdout" "$tmp/under.stdout" >"$tmp/diff"
		fail "$what" "another output" "$tmp/diff" "$tmp/under.stderr"
	elif ! cmp -s "$tmp/native.files" "$tmp/under.files"; then
		diff "$tmp/native.files" "$tmp/under.files" >"$tmp/diff"
		fail "$what" "other files" "$tmp/diff" "$tmp/under.stderr"
	elif ! cmp -s "$tmp/native.stderr" "$tmp/under.stderr"; then
		diff "$tmp/native.stderr" "$tmp/under.stderr" >"$tmp/diff"
		fail "$what" "another standard error" "$tmp/diff"
	elif [ ! -s "$tmp/stats" ]; then
		fail "$what" "no statistics were written"
	elif [ "$peak" -gt "$limit" ]; then
		fail "$what" "$peak KiB resident, at most $limit KiB allowed: $ram KiB and the unmanaged rest$(notes under)"
	elif [ "$(sampled "$tmp/under.sample" leftover)" -gt 0 ]; then
		fail "$what" "processes were left behind"
	elif ! cmp -s "$tmp/native.left" "$tmp/under.left"; then
		diff "$tmp/native.left" "$tmp/under.left" >"$tmp/diff"
		fail "$what" "temporary files were left behind" "$tmp/diff"
	else
		pass "$what" "$(seconds "$native_ms") native, $(seconds "$elapsed") in $((ram / 1024)) MiB, resident $((peak / 1024)) of $((limit / 1024)) MiB, $processes processes, pswpout $(stat_of "$tmp/stats" pswpout)$(notes under)"
	fi
}

# The budgets in KiB of a job that does not say them itself.
default_budgets() {
	printf '%s\n' $((native_peak / 2))
}

# run_jobs_apart DIRECTORY NAME...: each job natively and in its budgets, or in $percents of
# its native peak; after own_shared_memory, and nothing may be left there. With $native_only
# twice natively.
run_jobs_apart() {
	local directory=$1 name ram p rams
	shift
	for name; do
		budgets() { default_budgets; }
		native "$directory/$name" || continue
		shared_left >"$tmp/shared.native"
		[ ! -s "$tmp/shared.native" ] || fail "$name natively" "left in shared memory" "$tmp/shared.native"
		if [ -n "$native_only" ]; then
			native_again "$directory/$name"
			continue
		fi
		if [ -n "$percents" ]; then
			mapfile -t rams < <(for p in $percents; do printf '%s\n' $((native_peak * p / 100)); done)
		else
			mapfile -t rams < <(budgets)
		fi
		for ram in "${rams[@]}"; do
			under "$directory/$name" "$name in $((ram / 1024)) of $((native_peak / 1024)) MiB" "$ram"
			shared_left >"$tmp/shared.under"
			[ ! -s "$tmp/shared.under" ] || fail "$name" "left in shared memory" "$tmp/shared.under"
		done
	done
}
