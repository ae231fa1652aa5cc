#!/bin/bash
# A MAP_FIXED that a file refuses leaves a hole, or not: Faultline knows which.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

cd "$tmp/t" || exit 1
export FAULTLINE_CHECK="$FAULTLINE check"
ran "$FAULTLINE" run --quiet --ram 16M -- "$PROGRAMS/sem-map-refused"
expect_status "refused" 0 && pass "refused"
finish
