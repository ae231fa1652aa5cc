# git: a repository of some thousand commits from git fast-import, packed by several
# threads and processes, checked, and read back.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(git awk)

# Each commit changes three of 200 files in one place, as people do.
prepare() {
	awk -v n="$(size 3000 200)" 'BEGIN {
		x = 7
		for (c = 1; c <= n; c++) {
			printf "commit refs/heads/main\ncommitter A U Thor <author@example.org> %d +0000\n", 1600000000 + c * 60
			message = "Change number " c "\n"
			printf "data %d\n%s", length(message), message
			for (k = 0; k < 3; k++) {
				x = (x * 16807) % 2147483647
				f = x % 200
				changed[f, x % 400] = c * 10 + k
				text = ""
				for (l = 0; l < 400; l++)
					text = text sprintf("file %d line %d as of %d: %08x\n", f, l, changed[f, l],
						(f * 7919 + l * 104729 + changed[f, l] * 48271) % 2147483647)
				printf "M 100644 inline dir%d/file%d\ndata %d\n%s", f % 10, f, length(text), text
			}
		}
	}' >stream
	git -c init.defaultBranch=main init -q --bare repository.git
	git -C repository.git -c fastimport.unpackLimit=1000000 fast-import --quiet <stream
	rm stream
}

job() {
	cp -r "$input/repository.git" .
	# Configuration of the machine does not count.
	HOME=$PWD GIT_CONFIG_NOSYSTEM=1 measured sh -ec '
		cd repository.git
		git config pack.threads 2
		git gc --quiet --aggressive --prune=now
		git fsck --full --strict --no-progress
		git repack -a -d -f -q --window=250
		git rev-list --all --objects | sort | sha256sum
		git log --format=%H%s --numstat | sha256sum
		git count-objects -v | sed "/size/d"'
	local status=$?
	(cd repository.git && git fsck --full --strict --no-progress && git rev-parse main) || status=1
	# Which delta a thread finds depends on their order.
	rm -rf repository.git
	return $status
}
