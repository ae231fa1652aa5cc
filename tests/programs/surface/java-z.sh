# java with ZGC: concurrent too, its heap is a memory file that is mapped several times.
# shellcheck shell=bash disable=SC2034,SC2154
# shellcheck source=tests/programs/surface/java-job.sh
. "$FL_TOP/tests/programs/surface/java-job.sh"

job() {
	java_job -XX:+UseZGC
}
