# Debian's python3: dicts and lists of some 300 MB, built, changed, sorted, searched.
# shellcheck shell=bash disable=SC2034
needs=(/usr/bin/python3)

prepare() {
	cat >job.py <<-'PY'
		import hashlib, sys

		n = int(sys.argv[1])
		x = 1
		words = {}
		order = []
		for i in range(n):
		    x = (x * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
		    key = "key-%016x" % x
		    words[key] = [i, key[::-1], x & 1023]
		    order.append(key)
		for i in range(0, n, 3):
		    del words[order[i]]
		for i in range(0, n, 7):
		    words.setdefault(order[i], []).append(i)
		buckets = {}
		for key, value in words.items():
		    buckets.setdefault(value[-1] % 997 if value else -1, []).append(key)
		for bucket in buckets.values():
		    bucket.sort()
		order.sort(key=lambda k: k[::-1])
		digest = hashlib.sha256()
		for name in sorted(buckets):
		    digest.update(("%d:%d:%s" % (name, len(buckets[name]), buckets[name][0])).encode())
		for key in order[:: 101]:
		    digest.update(key.encode() + str(words.get(key)).encode())
		print(len(words), len(buckets), digest.hexdigest())
		with open("keys.txt", "w") as f:
		    for key in order[:: 1009]:
		        print(key, words.get(key), file=f)
	PY
}

job() {
	PYTHONHASHSEED=0 measured /usr/bin/python3 "$input/job.py" "$(size 900000 250000)"
}
