# java with its default collector: the job of tests/programs/surface.
# shellcheck shell=bash disable=SC2034,SC2154
# shellcheck source=tests/programs/surface/java-g1.sh
. "$FL_TOP/tests/programs/surface/java-g1.sh"
