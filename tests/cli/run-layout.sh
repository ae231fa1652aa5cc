#!/bin/bash
# --layout and --no-randomize: where the mappings of a program and of its loader go, and that a
# program started by it goes the same way.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

places=("$PROGRAMS/sem-layout" places) # three addresses

# expect_places NAME WAY [COMMAND...]: below the stack and downwards, or from a third upwards.
expect_places() {
	local name=$1 way=$2 a b c
	shift 2
	ran "$@" "${places[@]}"
	expect_status "$name" 0 || return
	read -r a b c <"$tmp/out"
	if [ -s "$tmp/err" ]; then
		fail "$name" "something on standard error" "$tmp/err"
	elif [ "$way" = down ] && ((b < a && c > b && a > 0x500000000000)); then
		pass "$name" "$a"
	elif [ "$way" = up ] && ((b > a && a > 0x200000000000 && c < 0x300000000000)); then
		pass "$name" "$a"
	else
		fail "$name" "not $way: $a $b $c"
	fi
}

# expect_same NAME yes|no COMMAND...: whether two runs give the same addresses.
expect_same() {
	local name=$1 want=$2 first same=no
	shift 2
	ran "$@" "${places[@]}"
	expect_status "$name" 0 || return
	first=$(cat "$tmp/out")
	ran "$@" "${places[@]}"
	[ "$first" != "$(cat "$tmp/out")" ] || same=yes
	if [ "$same" = "$want" ]; then pass "$name" "$first"; else
		fail "$name" "the same: $same" "$tmp/out"
	fi
}

run=("$FAULTLINE" run --quiet --ram 16M)
expect_places "by default" down "${run[@]}" --
expect_places "--layout flexible" down "${run[@]}" --layout flexible --
expect_places "--layout legacy" up "${run[@]}" --layout legacy --
expect_places "--layout legacy, through a shell" up "${run[@]}" --layout legacy -- sh -c '"$@"; exit $?' sh
expect_same "random offsets" no "${run[@]}" --
expect_same "random offsets, legacy" no "${run[@]}" --layout legacy --
expect_same "--no-randomize" yes "${run[@]}" --no-randomize --
expect_same "--no-randomize, legacy" yes "${run[@]}" --layout legacy --no-randomize --

# What the kernel has begun with is gone on with, but an option has the last word.
if setarch --addr-no-randomize --addr-compat-layout true 2>"$tmp/why"; then
	expect_same "setarch -R" yes setarch -R "${run[@]}" --
	expect_same "setarch -R within" yes "${run[@]}" -- setarch -R
	expect_places "setarch -L" up setarch -L "${run[@]}" --
	expect_places "setarch -L within" up "${run[@]}" -- setarch -L
	expect_places "setarch -L, --layout flexible" down setarch -L "${run[@]}" --layout flexible --
	expect_places "setarch -R" down setarch -R "${run[@]}" --
else
	skip "setarch" "$(cat "$tmp/why")"
fi

# The loader goes the same way, as the kernel maps it.
ran "${run[@]}" --layout legacy --no-randomize -- cat /proc/self/maps
expect_status "the loader" 0 && {
	if grep -q '^2aaaaaaab000-.*ld-linux' "$tmp/out"; then pass "the loader"; else
		fail "the loader" "not at the legacy base" "$tmp/out"
	fi
}

# Without the tool nobody tells the kernel, but the library places what it can.
preloaded=(env LD_PRELOAD="$LIBFAULTLINE" FAULTLINE="ram=16M,swap=file,quiet,layout=legacy")
expect_places "layout=legacy, preloaded" up "${preloaded[@]}"
expect_places "preloaded" down env LD_PRELOAD="$LIBFAULTLINE" FAULTLINE="ram=16M,swap=file,quiet"

# A stack of any size: less room for mappings, but they are found.
expect_limited() { # NAME WAY LIMIT
	expect_places "$1" "$2" bash -c "ulimit -s $3 && exec \"\$@\"" bash "${run[@]}" --
}
if bash -c 'ulimit -s unlimited' 2>"$tmp/why"; then
	ran bash -c 'ulimit -s unlimited && exec "$@"' bash "${run[@]}" -- "${places[@]}"
	read -r a b c <"$tmp/out"
	if [ "$status" -eq 0 ] && ((a > b && a < 0x155555556000 && a > 0x140000000000)); then
		pass "ulimit -s unlimited" "$a"
	else
		fail "ulimit -s unlimited" "not below a sixth of the address space" "$tmp/out" "$tmp/err"
	fi
	expect_limited "ulimit -s 1 GiB" down 1048576
else
	skip "ulimit -s unlimited" "$(cat "$tmp/why")"
fi
finish
