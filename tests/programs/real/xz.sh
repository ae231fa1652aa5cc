# xz with two threads, there and back. The smallest preset with large blocks: its
# memory is mostly blocks on their way. The tables of the larger ones are touched at
# random for every byte, and cannot be paged at all below their size.
# shellcheck shell=bash disable=SC2034
needs=(xz awk)

prepare() {
	numbers "$(size 1200000 400000)" | sed 's/\(....\)/\1 the same words again /2' >text
	for i in 1 2 3; do
		cat text
	done >data
	rm text
}

job() {
	# shellcheck disable=SC2016 # the inner shell's
	measured sh -c 'xz -T2 -0 --block-size=16MiB -c "$1" >packed && xz -T2 -dc packed | sha256sum' sh "$input/data"
}
