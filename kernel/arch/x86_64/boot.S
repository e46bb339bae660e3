# Where a PVH loader enters: 32-bit protected mode, flat segments, paging off, ebx = address of the start information
# (Xen's docs/misc/pvh.pandoc). Wherever the image lies, this code finds itself by a call, makes an identity mapping of
# the first GiB, and enters long mode. What follows is C++ (kernel/platform/vm/early.cc), still at physical addresses.

    .section .note.Xen, "a", @note
    .balign 4
    .long 2f - 1f, 4f - 3f, 18      # XEN_ELFNOTE_PHYS32_ENTRY
1:  .asciz "Xen"
2:  .balign 4
3:  .quad pvh_entry_physical
4:

    .section .bss.boot, "aw", @nobits
    .balign 4096
boot_root:     .skip 4096
boot_pointers: .skip 4096
boot_pages:    .skip 4096
    .globl boot_stack_top
    .hidden boot_stack_top
    .balign 4096
boot_stack:    .skip 16384
boot_stack_top:

    .section .text.boot, "ax", @progbits
    .code32
    .globl pvh_entry
    .hidden pvh_entry
pvh_entry:
    cld
    cli
    # The call below needs four bytes of stack, and nothing says where esp points. The start information is memory that
    # we may read and nobody else uses: its first word, the magic number, makes room for the return address.
    leal 4(%ebx), %esp
    movl (%ebx), %edx
    call here
here:
    popl %ebp                       # everything is found relative to this address
    movl %edx, (%ebx)
    leal boot_stack_top - here(%ebp), %esp

    # One GiB in pages of 2 MiB, mapped at 0.
    leal boot_pages - here(%ebp), %edi
    movl $0x83, %eax                # present, writable, large
    xorl %ecx, %ecx
2:  movl %eax, (%edi, %ecx, 8)
    movl $0, 4(%edi, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $512, %ecx
    jne 2b
    leal boot_pointers - here(%ebp), %edi
    leal boot_pages - here + 3(%ebp), %eax
    movl %eax, (%edi)
    leal boot_root - here(%ebp), %edi
    leal boot_pointers - here + 3(%ebp), %eax
    movl %eax, (%edi)
    movl %edi, %cr3

    movl %cr4, %eax
    orl $0x20, %eax                 # PAE
    movl %eax, %cr4
    movl $0xc0000080, %ecx          # EFER
    rdmsr
    orl $0x900, %eax                # long mode, no-execute
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax           # paging, protection
    movl %eax, %cr0

    # A descriptor table on the stack: null, 64-bit code.
    pushl $0x00af9a00
    pushl $0x0000ffff
    pushl $0
    pushl $0
    movl %esp, %eax
    subl $8, %esp
    movw $15, (%esp)
    movl %eax, 2(%esp)
    lgdt (%esp)
    leal boot_long - here(%ebp), %eax
    pushl $8
    pushl %eax
    lret

    .code64
boot_long:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    leaq boot_stack_top(%rip), %rsp
    movl %ebx, %edi                 # the start information
    xorl %ebp, %ebp
    call narwhal_early_boot
    ud2

# void narwhal_enter_window(u64 entry, u64 stack): goes on at addresses of the window, on a fresh stack.
    .globl narwhal_enter_window
    .hidden narwhal_enter_window
narwhal_enter_window:
    movq %rsi, %rsp
    xorl %ebp, %ebp
    pushq $0
    jmpq *%rdi

    .section .note.GNU-stack, "", @progbits
