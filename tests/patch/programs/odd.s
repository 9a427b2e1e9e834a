# Code that looks like a call of socket(2) and is none, and calls that must not be replaced.
# The exit status says what came out: 0 all as it was.
	.globl _start
	.text
	.rept 16
	nop
	.endr
	# The bytes of a load and a call, in the middle of another instruction.
constant:
	movabs $0x11050f0000002900, %rax
	movabs $0x050f00000029b848, %rdx
	ret
	.rept 16
	nop
	.endr
	# A call in whose tail somebody jumps.
jumped:
	mov %rdi, %rax
	mov $2, %edi
	mov $1, %esi
	xor %edx, %edx
	test %rax, %rax
	js 1f
	syscall
1:	cmp $-4095, %rax
	ret
	.rept 16
	nop
	.endr
	# A call with something behind it that cannot be moved.
unmovable:
	mov %rdi, %rax
	mov $2, %edi
	mov $1, %esi
	xor %edx, %edx
	syscall
	ret
	.rept 16
	nop
	.endr
	# The protocol of the socket in edi.
protocol:
	sub $24, %rsp
	movl $4, 8(%rsp)
	mov $1, %esi
	mov $38, %edx
	mov %rsp, %r10
	lea 8(%rsp), %r8
	mov $55, %eax
	syscall
	mov (%rsp), %eax
	add $24, %rsp
	ret
	.rept 16
	nop
	.endr
_start:
	call constant
	movabs $0x11050f0000002900, %rcx
	cmp %rcx, %rax
	jne bad
	movabs $0x050f00000029b848, %rcx
	cmp %rcx, %rdx
	jne bad
	mov number(%rip), %rdi
	call jumped
	mov %eax, %edi
	call protocol
	cmp $6, %eax
	jne bad
	mov number(%rip), %rdi
	call unmovable
	mov %eax, %edi
	call protocol
	cmp $6, %eax
	jne bad
	xor %edi, %edi
	jmp out
bad:	mov $1, %edi
out:	mov $60, %eax
	syscall
	hlt
	.data
number:	.quad 41
