# GNU sort of 300 MB in memory, with two threads.
# shellcheck shell=bash disable=SC2034
needs=(sort awk)

prepare() {
	# Every block of 68-byte lines has other keys, so that no two lines are equal.
	numbers "$(size 300000 150000)" | sed 's/.*/& stays behind its key through all of the sorting ./' >block
	for ((i = 0; i < $(size 15 5); i++)); do
		sed "s/^\(....\)\(....\)/\2$(printf '%02x' $((i * 37 % 256)))\1/" block
	done >lines
	rm block
}

job() {
	measured sort -S 600M --parallel=2 "$input/lines" -o sorted
	local status=$?
	tail -n 3 sorted
	digest <sorted
	rm -f sorted
	return $status
}
