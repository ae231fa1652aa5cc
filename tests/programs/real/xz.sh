# xz with two threads, there and back.
# shellcheck shell=bash disable=SC2034
needs=(xz awk)

prepare() {
	numbers "$(size 200000 100000)" | sed 's/\(....\)/\1 the same words again /2' >text
	for i in 1 2 3; do
		cat text
	done >data
	rm text
}

job() {
	# shellcheck disable=SC2016 # the inner shell's
	measured sh -c 'xz -T2 -4 --block-size=5MiB -c "$1" >packed && xz -T2 -dc packed | sha256sum' sh "$input/data"
}
