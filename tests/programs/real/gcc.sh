# gcc: a generated translation unit of more than 100,000 lines.
# shellcheck shell=bash disable=SC2034
needs=(gcc awk)

prepare() {
	awk -v n="$(size 6400 2600)" 'BEGIN {
		print "struct pair { long a, b; };"
		for (i = 0; i < n; i++) {
			printf "long f%d(long x, struct pair *p);\n", i
			printf "long f%d(long x, struct pair *p)\n{\n", i
			printf "\tlong y = x * %dL;\n", i * 7919 + 1
			for (k = 0; k < 8; k++)
				printf "\ty += p->%s + %d;\n", (i + k) % 3 ? "a" : "b", i % 100 + k
			printf "\tif (y > %d)\n\t\tp->a = y;\n", i
			if (i)
				printf "\treturn y + f%d(y & 3, p);\n}\n\n", int(i / 2)
			else
				printf "\treturn y;\n}\n\n"
		}
	}' >unit.c
}

job() {
	cp "$input/unit.c" .
	measured gcc -c unit.c -o unit.o
	local status=$?
	wc -l <unit.c
	rm -f unit.c
	return $status
}
