#!/bin/bash
# Wrong options and programs: each has its one line and its exit status.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

ran "$FAULTLINE" run --no-such-option -- true
expect_error "unknown option" 2 no-such-option
ran "$FAULTLINE" no-such-command
expect_error "unknown command" 2 no-such-command
for size in 12Q abc '' -5M 1.5.2G 99999999999999999999; do
	ran "$FAULTLINE" run --ram "$size" -- true
	expect_error "unparsable size '$size'" 2
done
ran "$FAULTLINE" run --ram 1K -- true
expect_error "--ram 1K" 2 1K
ran "$FAULTLINE" run --ram
expect_error "--ram without a size" 2 ram
ran "$FAULTLINE" run --swap file:/nonexistent/dir/swap -- true
expect_error "swap in a directory that does not exist" 2 /nonexistent/dir
ran "$FAULTLINE" run --swap nosuch -- true
expect_error "unknown swap device" 2 nosuch
ran "$FAULTLINE" run --swap "file:$tmp/swap,size=12Q" -- true
expect_error "unparsable swap size" 2 12Q
ran "$FAULTLINE" run --policy nosuch -- true
expect_error "unknown policy" 2 'nosuch.*second-chance, fifo, clock, s3-fifo, car or random'
ran "$FAULTLINE" run --policy car,small=5 -- true
expect_error "another policy's key" 2 car,small=5
ran "$FAULTLINE" run --policy clock,aside=0 -- true
expect_error "a key's value out of range" 2 'from 1 to 90'
ran "$FAULTLINE" run --prefetch nosuch -- true
expect_error "unknown prefetcher" 2 'nosuch.*none, readahead, stride or majority'
ran "$FAULTLINE" run --engine nosuch -- true
expect_error "unknown engine" 2 nosuch
ran "$FAULTLINE" run --layout nosuch -- true
expect_error "unknown layout" 2 nosuch
ran "$FAULTLINE" run --stats /nonexistent/dir/stats -- true
expect_error "statistics in a directory that does not exist" 2 /nonexistent/dir
ran "$FAULTLINE" run
expect_error "no program" 2
ran "$FAULTLINE" run -- /nonexistent/program
expect_error "no such program" 127 /nonexistent/program
ran "$FAULTLINE" run -- no-such-program-in-path
expect_error "no such program in PATH" 127 no-such-program-in-path
printf 'x\n' >"$tmp/plain"
chmod 644 "$tmp/plain"
ran "$FAULTLINE" run -- "$tmp/plain"
expect_error "not executable" 126 plain
ran "$FAULTLINE" run -- "$tmp"
expect_error "a directory" 126

if [ "$(id -u)" -eq 0 ]; then
	mkdir -m 700 "$tmp/closed"
	make_nobody_tool
	ran "${nobody[@]}" "$nobody_tool" run --swap "file:$tmp/closed/swap" -- true
	expect_error "swap directory not writable" 2 closed
else
	skip "swap directory not writable" "needs root"
fi
finish
