# java with Shenandoah: it marks and moves while the program runs.
# shellcheck shell=bash disable=SC2034,SC2154
# shellcheck source=tests/programs/surface/java-job.sh
. "$FL_TOP/tests/programs/surface/java-job.sh"

job() {
	java_job -XX:+UseShenandoahGC
}
