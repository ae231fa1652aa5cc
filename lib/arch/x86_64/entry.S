/*
 * fl_entry: the way from a patched system-call site into fl_dispatch.
 *
 * In:  %rax the call's number, arguments as the kernel takes them, and on the
 *      stack (below the red zone, which the stub has skipped) the address of
 *      the stub's native system call.
 * Out: as after the system call: %rax the result, %rcx and %r11 clobbered,
 *      all else as before. Nothing here or in the hooks touches a vector
 *      register: the code around a system call may keep values in them.
 */
	.text
	.globl	fl_entry
	.hidden	fl_entry
	.type	fl_entry, @function
fl_entry:
	push	%rax
	push	%rdi
	push	%rsi
	push	%rdx
	push	%r10
	push	%r8
	push	%r9
	push	%rbx
	push	%rbp
	push	$0			/* new_sp */
	push	$0			/* sigmask */
	mov	%rsp, %rbx		/* struct fl_regs */
	cld

	/* rt_sigprocmask(SIG_SETMASK, all, &regs->sigmask, 8) */
	mov	$14, %eax
	mov	$2, %edi
	lea	all_signals(%rip), %rsi
	mov	%rbx, %rdx
	mov	$8, %r10d
	syscall

	and	$-16, %rsp
	call	fl_hook_stack_get	/* %rax: its top */
	mov	%rax, %rsp
	mov	%rax, %rbp
	mov	%rbx, %rdi
	call	fl_dispatch
	mov	%rbp, %rdi
	mov	%eax, %ebp		/* the action */

	/* back to the program's stack, and the hook stack to the next */
	mov	%rbx, %rsp
	and	$-16, %rsp
	call	fl_hook_stack_put

	mov	$14, %eax
	mov	$2, %edi
	mov	%rbx, %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	syscall

	mov	%rbx, %rsp
	mov	%ebp, %ecx
	mov	8(%rsp), %r11		/* new_sp */
	add	$16, %rsp
	pop	%rbp
	pop	%rbx
	pop	%r9
	pop	%r8
	pop	%r10
	pop	%rdx
	pop	%rsi
	pop	%rdi
	pop	%rax
	cmp	$1, %ecx
	pop	%rcx			/* native */
	je	1f
	lea	2(%rcx), %rcx		/* past the stub's syscall instruction */
1:	lea	128(%rsp), %rsp		/* leave the red zone */
	test	%r11, %r11
	jz	2f
	mov	%r11, %rsp
2:	jmp	*%rcx
	.size	fl_entry, . - fl_entry

	.section .rodata
	.align	8
all_signals:
	.quad	-1
	.section .note.GNU-stack, "", @progbits
