# python3 with a file mapped privately (ACCESS_COPY) and most of it written: memory that is not
# anonymous to the program, and is within the budget all the same.
# shellcheck shell=bash disable=SC2034
needs=(/usr/bin/python3)

prepare() {
	numbers "$(size 8000000 2000000)" >data
	cat >job.py <<-'PY'
		import hashlib, mmap, sys

		page = mmap.PAGESIZE
		with open(sys.argv[1], "rb") as f:
		    m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)
		n = len(m) // page
		before = hashlib.sha256(m).hexdigest()
		# all but each fourth page, first in order, then here and there
		for i in range(n):
		    if i % 4:
		        m[i * page + i % page] ^= 0xff
		at = 1
		for i in range(n):
		    at = (at * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
		    p = (at >> 33) % n
		    if p % 4:
		        m[p * page : p * page + 8] = at.to_bytes(8, "little")
		print(n, before, hashlib.sha256(m).hexdigest())
		with open(sys.argv[1], "rb") as f:
		    print(hashlib.sha256(f.read()).hexdigest() == before)
	PY
}

job() {
	measured /usr/bin/python3 "$input/job.py" "$input/data"
}
