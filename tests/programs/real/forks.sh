# A shell script that starts 500 processes, with and without exec.
# shellcheck shell=bash disable=SC2034
needs=(bash)

prepare() {
	cat >job.sh <<-'SH'
		printf -v long '%300s' ''
		words=()
		for ((i = 0; i < 30000; i++)); do
			words[i]="word number $i of a list that makes the shell some megabytes large$long"
		done
		sum=0
		for ((i = 0; i < 200; i++)); do
			(exit $((${#words[i * 140]} % 50)))
			sum=$((sum + $?))
		done
		echo "subshells: $sum"
		for ((i = 0; i < 100; i++)); do
			text=$(echo "${words[i * 299]}" && words[i]=changed && echo "${words[i]}")
			sum=$((sum + ${#text}))
		done
		echo "substitutions: $sum"
		for ((i = 0; i < 50; i++)); do
			echo "${words[i * 577]}" | { read -r line; echo "$line" >"out.$((i % 5))"; }
		done
		for ((i = 0; i < 100; i++)); do
			/bin/true "${words[i]}" || echo "true failed"
		done
		for ((i = 0; i < 25; i++)); do
			(words[i]=x; (words[i]=y; exit ${#words[i]})) || sum=$((sum + $?))
		done &
		wait
		echo "nested: $? $sum ${#words[@]}"
		for ((i = 0; i < ${#words[@]}; i++)); do
			[ "${words[i]}" = "word number $i of a list that makes the shell some megabytes large$long" ] ||
				echo "word $i is ${words[i]}"
		done
	SH
}

job() {
	measured bash "$input/job.sh"
}
