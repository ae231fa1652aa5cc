# rsync: a tree of many small files and some large ones, copied, changed, and brought up to
# date by differences, with hard links, holes and what was deleted.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(rsync awk)

prepare() {
	local i
	cat >job.sh <<-'SH'
		set -eu
		rsync -aH --sparse src/ dst/
		sed -i '5000,5010s/^/changed /; 7000,7100d' src/large2
		sed -i '1,2s/^/x/' src/d3/e3/*
		rm -rf src/d4
		mv src/d5 src/d4
		touch -d @1700000000 src src/d3/e3 src/d3/e3/* src/large? src/d1/*/*
		rsync -aH --no-whole-file --checksum --delete --itemize-changes src/ dst/ >changes
		rsync -aHnc --delete --itemize-changes src/ dst/
	SH
	mkdir tree
	awk -v n="$(size 30000 6000)" 'BEGIN {
		for (i = 0; i < n; i++)
			printf "tree/d%d/e%d/file-with-a-long-name-%d\n", i % 50, i % 7, i
	}' >names
	sed 's|/[^/]*$||' names | sort -u | xargs mkdir -p
	awk '{ printf "%s\n%d\n", $0, (NR * 7919) % 100003 > $0; close($0) }' names
	for i in 1 2 3; do
		numbers "$(size 400000 100000)" | sed "s/^/$i/" >"tree/large$i"
	done
	ln tree/large1 tree/linked
	truncate -s 50M tree/hole
	ln -s large2 tree/symbolic
	find tree -exec touch -h -d @1600000000 {} +
}

job() {
	local status
	cp -a "$input/tree" src || return
	measured sh "$input/job.sh"
	status=$?
	sort changes | digest
	diff -r src dst && (cd dst && find . -printf '%p %m %s %n %T@ %l\n') | sort | digest
	rm -rf src dst changes
	return $status
}
