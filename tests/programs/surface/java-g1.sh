# java with G1: regions, marked while the program runs, moved while it stops.
# shellcheck shell=bash disable=SC2034,SC2154
# shellcheck source=tests/programs/surface/java-job.sh
. "$FL_TOP/tests/programs/surface/java-job.sh"

job() {
	java_job -XX:+UseG1GC
}
