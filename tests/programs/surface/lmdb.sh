# lmdb: a database that is one shared file map, written with pwrite and then through the map
# (MDB_WRITEMAP), by one process while others read their snapshots of it.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(/usr/bin/python3 mdb_dump mdb_stat)
/usr/bin/python3 -c 'import lmdb' 2>/dev/null || why_not="python3-lmdb is not installed"

prepare() {
	cat >job.py <<-'PY'
		import hashlib, lmdb, os, struct, sys

		n, rounds = int(sys.argv[1]), 6


		def value(i, r):
		    return (b"%d:%d:" % (i, r)) * (1 + (i * 7919 + r) % 40)


		def check(env):
		    """A snapshot is of one round: every value says the same."""
		    with env.begin() as txn:
		        r = struct.unpack("<I", txn.get(b"round"))[0]
		        for i in range(0, n, 3):
		            v = txn.get(b"key-%08d" % i)
		            want = value(i, r) if i % 4 or r % 2 == 0 else None
		            if v != want:
		                sys.exit("round %d: key %d is wrong" % (r, i))
		    return r


		def reader(path, ready):
		    env = lmdb.open(path, map_size=1 << 30, readonly=True, max_readers=16)
		    os.write(ready, b".")
		    r = 0
		    while r < rounds:
		        r = check(env)
		    os._exit(0)


		def run(path, **how):
		    os.mkdir(path)
		    env = lmdb.open(path, map_size=1 << 30, max_readers=16, **how)
		    with env.begin(write=True) as txn:
		        txn.put(b"round", struct.pack("<I", 0))
		        for i in range(n):
		            txn.put(b"key-%08d" % i, value(i, 0))
		    env.close()
		    come, ready = os.pipe()
		    readers = []
		    for _ in range(2):
		        pid = os.fork()
		        if not pid:
		            reader(path, ready)
		        readers.append(pid)
		    for _ in readers:
		        os.read(come, 1)
		    env = lmdb.open(path, map_size=1 << 30, max_readers=16, **how)
		    cache = {}
		    for r in range(1, rounds + 1):
		        with env.begin(write=True) as txn:
		            txn.put(b"round", struct.pack("<I", r))
		            for i in range(n):
		                if i % 4 == 0 and r % 2:
		                    txn.delete(b"key-%08d" % i)
		                else:
		                    cache[i] = value(i, r)
		                    txn.put(b"key-%08d" % i, cache[i])
		    for pid in readers:
		        if os.waitpid(pid, 0)[1]:
		            sys.exit("a reader failed")
		    check(env)
		    digest = hashlib.sha256()
		    with env.begin() as txn:
		        for k, v in txn.cursor():
		            digest.update(k + v)
		    print(path, env.stat()["entries"], digest.hexdigest(), hashlib.sha256(repr(sorted(cache.items())).encode()).hexdigest())
		    env.close()


		run("pwrite")
		run("writemap", writemap=True)
	PY
}

job() {
	measured /usr/bin/python3 "$input/job.py" "$(size 60000 8000)" || return
	mdb_dump pwrite | digest
	mdb_dump writemap | digest
	rm -rf pwrite writemap
}
