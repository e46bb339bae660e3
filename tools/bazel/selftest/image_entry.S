# The PVH entry point (Xen's docs/misc/pvh.pandoc): 32-bit protected mode, flat segments, paging off.

    .section .note.Xen, "a", @note
    .balign 4
    .long 2f - 1f, 4f - 3f, 18  # XEN_ELFNOTE_PHYS32_ENTRY
1:  .asciz "Xen"
2:  .balign 4
3:  .quad pvh_entry_physical
4:

    .section .text.boot, "ax", @progbits
    .code32
    .globl pvh_entry
    .hidden pvh_entry
pvh_entry:
    call 1f
1:  pop %ebp
    leal message - 1b(%ebp), %esi
    movl $message_end - message, %ecx
    movw $0x3f8, %dx
    rep outsb
    # isa-debug-exit turns a value v into the exit status (v << 1) | 1.
    movw $0x501, %dx
    movb $0x10, %al
    outb %al, %dx
2:  hlt
    jmp 2b
message:
    .ascii "narwhal: the build works\n"
message_end:

    # Keeps the C++ half of the image, which nothing calls.
    .long narwhal_selftest_table - .

    .section .note.GNU-stack, "", @progbits
