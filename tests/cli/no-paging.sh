#!/bin/bash
# Paging cannot start: the program runs natively after one warning; with
# --strict it does not start, status 125. For programs that are static or
# setuid, for users without userfaultfd, and for a libc that is not expected.
set -u
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# static_program: in $tmp/static, prints and exits with 5.
printf '#include <stdio.h>\nint main(void) { puts("static"); return 5; }\n' >"$tmp/static.c"
if have gcc && gcc -static -o "$tmp/static" "$tmp/static.c" 2>/dev/null; then
	ran "$FAULTLINE" run --quiet --ram 64M -- "$tmp/static"
	expect_warning "static program" 5 static
	ran "$FAULTLINE" run --quiet --strict --ram 64M -- "$tmp/static"
	expect_error "static program, --strict" 125
else
	skip "static program" "gcc -static does not work here"
fi

if [ "$(id -u)" -ne 0 ]; then
	skip "no permission, setuid" "needs root"
else
	make_nobody_tool
	if [ "$(cat /proc/sys/vm/unprivileged_userfaultfd 2>/dev/null)" = 0 ]; then
		ran "${nobody[@]}" "$nobody_tool" run --quiet --ram 64M --engine uffd -- sh -c 'echo natively; exit 6'
		expect_warning "no userfaultfd for nobody" 6 natively
		ran "${nobody[@]}" "$nobody_tool" run --quiet --strict --ram 64M --engine uffd -- sh -c 'echo natively'
		expect_error "no userfaultfd for nobody, --strict" 125
	else
		skip "no userfaultfd for nobody" "vm.unprivileged_userfaultfd is on"
	fi

	cp /bin/cat "$tmp/t/setuid-cat"
	chown root "$tmp/t/setuid-cat" && chmod 4755 "$tmp/t/setuid-cat"
	printf 'secret\n' >"$tmp/secret" && chmod 600 "$tmp/secret"
	if "${nobody[@]}" "$tmp/t/setuid-cat" "$tmp/secret" >/dev/null 2>&1; then
		ran "${nobody[@]}" "$nobody_tool" run --quiet --ram 64M -- "$tmp/t/setuid-cat" "$tmp/secret"
		expect_warning "setuid program" 0 secret
		ran "${nobody[@]}" "$nobody_tool" run --quiet --strict --ram 64M -- "$tmp/t/setuid-cat" "$tmp/secret"
		expect_error "setuid program, --strict" 125
	else
		skip "setuid program" "setuid does not work on this filesystem"
	fi
	rm -f "$tmp/t/setuid-cat"
fi

# A libc with another, equivalent munmap: mov $11,%eax; syscall becomes
# xor %eax,%eax; mov $11,%al; nop; syscall. One byte sequence, same length.
libc=$(ldd "$PROGRAMS/sem-zero" | awk '$1 == "libc.so.6" { print $3 }')
if [ -n "$libc" ] && [ -x /usr/bin/python3 ]; then
	mkdir "$tmp/libc"
	if /usr/bin/python3 - "$libc" "$tmp/libc/libc.so.6" <<-'PY'
		import sys
		old, new = bytes.fromhex("b80b0000000f05"), bytes.fromhex("31c0b00b900f05")
		data = open(sys.argv[1], "rb").read()
		if data.count(old) != 1:
		    sys.exit(1)
		open(sys.argv[2], "wb").write(data.replace(old, new))
	PY
	then
		ran env LD_LIBRARY_PATH="$tmp/libc" "$PROGRAMS/sem-munmap"
		expect_status "altered libc, natively" 0 && {
			expected=$(cat "$tmp/out")
			ran env LD_LIBRARY_PATH="$tmp/libc" "$FAULTLINE" run --quiet --ram 16M -- "$PROGRAMS/sem-munmap"
			expect_warning "altered libc" 0 "$expected"
		}
	else
		skip "altered libc" "this libc's munmap is not the one that the test knows"
	fi
else
	skip "altered libc" "needs python3 and a shared libc"
fi
finish
