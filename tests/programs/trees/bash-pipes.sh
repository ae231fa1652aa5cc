# A shell that forks 2,000 times: subshells, substitutions, pipelines and commands,
# with a list of words that parent and children change behind each other's back.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(bash)

prepare() {
	cat >job.sh <<-'SH'
		forks=$1
		printf -v long '%1200s' ''
		words=()
		for ((i = 0; i < 20000; i++)); do
			words[i]="word $i$long"
		done
		sum=0
		for ((i = 0; i < forks / 8; i++)); do
			k=$((i * 7919 % 20000))
			# 1: the child writes what the parent keeps.
			(words[k]=child; [ "${words[k]}" = child ] && exit $((k % 100)))
			sum=$((sum + $?))
			# 2, 3: a substitution, and one within it.
			text=$(echo "$(words[k]=inner; echo "${words[k]}") ${words[k]%% *}")
			sum=$((sum + ${#text}))
			# 4, 5, 6: a pipeline of three, with exec.
			echo "${words[k]}" | tr a-z A-Z | { read -r line; echo "${line%% *}" >>lines; }
			# 7: in the background, while the parent writes.
			(words[k]=background; echo "${#words[k]} ${#words[@]}" >>"counts.$((i % 5))") &
			words[k]="later $i$long"
			wait $!
			# 8: a command in the middle of changed words.
			/bin/true "${words[k]}" || echo "true failed"
		done
		cat lines counts.* | sort | uniq -c | sort -n | tail -5
		n=0
		for ((i = 0; i < 20000; i++)); do
			case ${words[i]} in
			"word $i$long") ;;
			"later "*"$long") n=$((n + 1)) ;;
			*) echo "word $i is ${words[i]}" ;;
			esac
		done
		echo "$n changed, sum $sum"
	SH
}

job() {
	measured bash "$input/job.sh" "$(size 2000 400)"
}
