# java with the serial collector: everything stops while it moves all that lives.
# shellcheck shell=bash disable=SC2034,SC2154
# shellcheck source=tests/programs/surface/java-job.sh
. "$FL_TOP/tests/programs/surface/java-job.sh"

job() {
	java_job -XX:+UseSerialGC
}
