# A program whose only call of socket(2) crosses a page with what follows it: exit status 42 if it made
# an MPTCP socket, 6 if TCP. It takes more memory than the patcher.
	.globl _start
	.text
	.balign 4096
	.fill 4096 - 2 - 24, 1, 0x90
_start:	mov $2, %edi
	mov $1, %esi
	xor %edx, %edx
	xor %ebx, %ebx
	mov number, %rax
	syscall
	mov %eax, %edi
	mov %rbx, %rbx
	sub $24, %rsp
	movl $4, 8(%rsp)
	mov $1, %esi
	mov $38, %edx
	mov %rsp, %r10
	lea 8(%rsp), %r8
	mov $55, %eax
	syscall
	mov (%rsp), %eax
	mov $42, %edi
	cmp $262, %eax
	je 1f
	mov $6, %edi
1:	mov $60, %eax
	syscall
	hlt
	.data
number:	.quad 41
	.bss
	.skip 1 << 20
