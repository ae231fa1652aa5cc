#!/bin/bash
# One of the jobs of tests/programs/real or bench/jobs for ./dev bench: only the program
# under test is timed, not what the job does around it. A job that times something else
# writes microseconds to $here/time_us.
#
#	bench/job.sh NAME needs
#	bench/job.sh NAME prepare			makes its input here
#	bench/job.sh NAME peak INPUT			runs it here natively; peak in KiB
#	bench/job.sh NAME run INPUT [PREFIX...]		runs it here; seconds, then its digest
#
# The smaller sizes of the jobs (--quick of tests/run-programs) are taken.
# shellcheck disable=SC2034 # what the jobs read
set -u
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../tests/lib.sh"
quick=yes
# shellcheck source=tests/programs/real/common.sh
. "$FL_TOP/tests/programs/real/common.sh"
name=$1 what=$2 here=$PWD
shift 2
jobs=$FL_TOP/bench/jobs
[ -e "$jobs/$name.sh" ] || jobs=$FL_TOP/tests/programs/real
# shellcheck source=/dev/null
. "$jobs/$name.sh"

case $what in
needs)
	have "${needs[@]}" || { printf '%s\n' "$missing" && exit 77; }
	;;
prepare)
	prepare
	;;
peak)
	input=$1 prefix=() sample=$here/sample
	job >/dev/null || exit 1
	sampled "$sample" peak_kib
	;;
run)
	input=$1
	shift
	prefix=("$@")
	measured() {
		local start=$EPOCHREALTIME status
		"${prefix[@]}" "$@"
		status=$?
		printf '%d\n' $((${EPOCHREALTIME/./} - ${start/./})) >"$here/time_us"
		return $status
	}
	job >stdout || exit 1
	cat time_us
	digest <stdout
	;;
esac
