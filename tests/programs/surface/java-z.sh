# java with ZGC: concurrent too. Its heap is a memory file that is mapped several times: it
# stays the kernel's, and what is paged is the rest of the virtual machine.
# shellcheck shell=bash disable=SC2034,SC2154
# shellcheck source=tests/programs/surface/java-job.sh
. "$FL_TOP/tests/programs/surface/java-job.sh"

job() {
	java_job -XX:+UseZGC
}
