# python's multiprocessing with the start method fork: lists that the children read
# while the parent changes them, that they change themselves, and a shared array.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(/usr/bin/python3)

prepare() {
	cat >job.py <<-'PY'
		import hashlib, multiprocessing as mp, sys

		n = int(sys.argv[1])
		workers = 4
		numbers = [i * 2654435761 % 4294967296 for i in range(n)]
		words = ["word %d %x" % (i, numbers[i]) for i in range(n)]


		def read(part):
		    """A pool's worker: reads what it got by fork."""
		    digest = hashlib.sha256()
		    total = 0
		    for i in range(part, n, workers * 4):
		        total += numbers[i]
		        digest.update(words[i].encode())
		    return part, total, digest.hexdigest()


		def write(part, counters, result):
		    """A process that writes to most of what it got by fork."""
		    for i in range(n):
		        if i % workers != part:
		            words[i] = words[i] + " of child %d" % part
		        numbers[i] ^= part + 1
		    numbers.sort()
		    for i in range(part, len(counters), workers):
		        counters[i] += part + 1
		    digest = hashlib.sha256()
		    for i in range(0, n, 11):
		        digest.update(("%d %s" % (numbers[i], words[i])).encode())
		    result.put((part, digest.hexdigest()))


		def nested(depth, result):
		    """Children of children, each with its own change."""
		    words[depth] = "depth %d" % depth
		    if depth < 4:
		        child = mp.Process(target=nested, args=(depth + 1, result))
		        child.start()
		        child.join()
		        result.put((depth, child.exitcode, words[depth + 1][:5]))
		    else:
		        result.put((depth, 0, " ".join(words[1:5])))


		def whole():
		    digest = hashlib.sha256()
		    for i in range(n):
		        digest.update(("%d %s" % (numbers[i], words[i])).encode())
		    return digest.hexdigest()


		def main():
		    mp.set_start_method("fork")
		    before = whole()
		    with mp.Pool(workers) as pool:
		        for line in pool.imap(read, range(workers * 4)):
		            print(*line)
		        pool.close()
		        pool.join()
		    counters = mp.Array("q", 10000)
		    result = mp.Queue()
		    children = [mp.Process(target=write, args=(p, counters, result)) for p in range(workers)]
		    for child in children:
		        child.start()
		    # Meanwhile the parent writes, too.
		    for i in range(0, n, 2):
		        words[i] += "!"
		    for line in sorted(result.get() for _ in children):
		        print(*line)
		    for child in children:
		        child.join()
		        print(child.exitcode)
		    print(sum(counters), counters[:8])
		    for i in range(0, n, 2):
		        words[i] = words[i][:-1]
		    print("as before" if whole() == before else "the parent's lists are others")
		    child = mp.Process(target=nested, args=(1, result))
		    child.start()
		    child.join()
		    for line in sorted(result.get() for _ in range(4)):
		        print(*line)
		    with mp.Manager() as manager:
		        shared = manager.list(range(100))
		        with mp.Pool(2) as pool:
		            pool.starmap(append, [(shared, i) for i in range(50)])
		        print(len(shared), sum(shared))


		def append(shared, i):
		    shared.append(i)
		    shared[i] = 2 * i


		main()
	PY
}

job() {
	PYTHONHASHSEED=0 measured /usr/bin/python3 "$input/job.py" "$(size 400000 100000)"
}
