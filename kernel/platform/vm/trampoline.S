# Where a further CPU begins: in real mode, at the start of a page below 1 MiB to which this code was copied. It goes
# from there to long mode in one step, with page tables that map the page at its own address, and on to C++
# (start_processors.cc). What it needs lies behind it in the same page.

    .section .rodata.trampoline, "a", @progbits
    .balign 16
    .globl narwhal_trampoline, narwhal_trampoline_data, narwhal_trampoline_end
    .hidden narwhal_trampoline, narwhal_trampoline_data, narwhal_trampoline_end
    .code16
narwhal_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    xorl %ebx, %ebx
    movw %ax, %bx
    shll $4, %ebx                   # where the page is
    leal 3f - narwhal_trampoline(%ebx), %eax
    movl %eax, 2f - narwhal_trampoline + 2
    leal 5f - narwhal_trampoline(%ebx), %eax
    movl %eax, 4f - narwhal_trampoline
    lgdtl 2f - narwhal_trampoline
    movl $0x20, %eax                # PAE
    movl %eax, %cr4
    movl narwhal_trampoline_data - narwhal_trampoline, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx          # EFER
    rdmsr
    orl $0x900, %eax                # long mode, no-execute
    wrmsr
    movl $0x80000011, %eax          # paging, protection
    movl %eax, %cr0
    ljmpl *(4f - narwhal_trampoline)
    .code64
5:  xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl %ebx, %ebx
    movq narwhal_trampoline_data - narwhal_trampoline + 16(%rbx), %rsp
    movq narwhal_trampoline_data - narwhal_trampoline + 24(%rbx), %rdi
    xorl %ebp, %ebp
    pushq $0
    jmpq *(narwhal_trampoline_data - narwhal_trampoline + 8)(%rbx)

    .balign 8
2:  .short 15
    .long 0
    .balign 8
3:  .quad 0
    .quad 0x00af9a000000ffff        # 64-bit code
4:  .long 0
    .short 8
    .balign 8
narwhal_trampoline_data:            # struct TrampolineData
    .quad 0                         # CR3
    .quad 0                         # where to go on
    .quad 0                         # rsp
    .quad 0                         # argument
narwhal_trampoline_end:

    .section .note.GNU-stack, "", @progbits
