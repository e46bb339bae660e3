# Copies between the kernel and the program that survive a fault. Where an instruction in the exception table faults and
# the fault can't be repaired, the trap handler resumes at the instruction's recovery address.
#
# Each entry of the table is two 32-bit offsets from the entry itself: of the instruction, of its recovery.

    .macro RECOVER instruction, recovery
    .pushsection .exception_table, "a", @progbits
    .long \instruction - .
    .long \recovery - .
    .popsection
    .endm

    # Opens and closes the kernel's view of the program's memory, where the CPU has SMAP.
    .macro OPEN
    cmpb $0, narwhal_has_smap(%rip)
    je 98f
    .byte 0x0f, 0x01, 0xcb          # stac
98:
    .endm
    .macro CLOSE
    cmpb $0, narwhal_has_smap(%rip)
    je 99f
    .byte 0x0f, 0x01, 0xca          # clac
99:
    .endm

    .text

# usize narwhal_user_copy(void* to, const void* from, usize size): bytes that were not copied.
# Much: words by a string move, then single bytes; on every CPU that is fast, and under software emulation costs one step
# for eight bytes. Little: a string move takes longer to start than eight words take to move.
    .globl narwhal_user_copy
    .hidden narwhal_user_copy
    .balign 16
narwhal_user_copy:
    OPEN
    movq %rdx, %rcx
    andl $7, %edx
    shrq $3, %rcx
    cmpq $16, %rcx
    ja 20f
    testl %ecx, %ecx
    jz 12f
10: movq (%rsi), %rax
11: movq %rax, (%rdi)
    addq $8, %rsi
    addq $8, %rdi
    decl %ecx
    jnz 10b
12: testl %edx, %edx
    jz 19f
    testl $4, %edx
    jz 15f
13: movl (%rsi), %eax
14: movl %eax, (%rdi)
    addq $4, %rsi
    addq $4, %rdi
    subl $4, %edx
    jz 19f
15: movb (%rsi), %al
16: movb %al, (%rdi)
    incq %rsi
    incq %rdi
    decl %edx
    jnz 15b
19: CLOSE
    xorl %eax, %eax
    ret
20: rep movsq
    movl %edx, %ecx
21: rep movsb
    CLOSE
    xorl %eax, %eax
    ret
5:  # rcx words and edx bytes are left; the bytes may still be there for a part of the faulting word.
    leaq (%rdx, %rcx, 8), %rcx
6:  rep movsb
    CLOSE
    xorl %eax, %eax
    ret
7:  CLOSE
    movq %rcx, %rax
    ret
    RECOVER 10b, 5b
    RECOVER 11b, 5b
    RECOVER 13b, 5b
    RECOVER 14b, 5b
    RECOVER 15b, 5b
    RECOVER 16b, 5b
    RECOVER 20b, 5b
    RECOVER 21b, 7b
    RECOVER 6b, 7b

# usize narwhal_user_zero(void* to, usize size)
    .globl narwhal_user_zero
    .hidden narwhal_user_zero
    .balign 16
narwhal_user_zero:
    OPEN
    xorl %eax, %eax
    movq %rsi, %rcx
    andl $7, %esi
    shrq $3, %rcx
1:  rep stosq
    movl %esi, %ecx
2:  rep stosb
    CLOSE
    ret
3:  leaq (%rsi, %rcx, 8), %rcx
4:  rep stosb
    CLOSE
    ret
5:  CLOSE
    movq %rcx, %rax
    ret
    RECOVER 1b, 3b
    RECOVER 2b, 5b
    RECOVER 4b, 5b

# isize narwhal_user_string(char* to, const char* from, usize capacity): length without the NUL; -1 fault, -2 too long.
    .globl narwhal_user_string
    .hidden narwhal_user_string
    .balign 16
narwhal_user_string:
    OPEN
    xorl %ecx, %ecx
    movabsq $0x0101010101010101, %r8
    movabsq $0x8080808080808080, %r9
    # Eight bytes at a time where both sides have them: the page after the NUL may not be the program's.
1:  leaq 8(%rcx), %r10
    cmpq %rdx, %r10
    ja 4f
    leal (%rsi, %rcx), %eax
    andl $4095, %eax
    cmpl $4088, %eax
    ja 4f
2:  movq (%rsi, %rcx), %rax
    movq %rax, (%rdi, %rcx)
    # The lowest byte that was zero is the lowest whose high bit stays.
    movq %rax, %r11
    subq %r8, %rax
    notq %r11
    andq %r9, %r11
    andq %r11, %rax
    jnz 3f
    movq %r10, %rcx
    jmp 1b
3:  bsfq %rax, %rax
    shrl $3, %eax
    addq %rcx, %rax
    jmp 9f
4:  cmpq %rdx, %rcx
    jae 7f
5:  movzbl (%rsi, %rcx), %eax
    movb %al, (%rdi, %rcx)
    testb %al, %al
    jz 6f
    incq %rcx
    jmp 1b
6:  movq %rcx, %rax
    jmp 9f
7:  movq $-2, %rax
    jmp 9f
8:  movq $-1, %rax
9:  CLOSE
    ret
    RECOVER 2b, 8b
    RECOVER 5b, 8b

# bool narwhal_user_load32(u32* value, const u32* from)
    .globl narwhal_user_load32
    .hidden narwhal_user_load32
    .balign 16
narwhal_user_load32:
    OPEN
1:  movl (%rsi), %eax
    movl %eax, (%rdi)
    CLOSE
    movl $1, %eax
    ret
2:  CLOSE
    xorl %eax, %eax
    ret
    RECOVER 1b, 2b

# bool narwhal_user_cas32(u32* expected_and_found, u32* at, u32 desired)
    .globl narwhal_user_cas32
    .hidden narwhal_user_cas32
    .balign 16
narwhal_user_cas32:
    OPEN
    movl (%rdi), %eax
1:  lock cmpxchgl %edx, (%rsi)
    movl %eax, (%rdi)
    CLOSE
    movl $1, %eax
    ret
2:  CLOSE
    xorl %eax, %eax
    ret
    RECOVER 1b, 2b

    .section .note.GNU-stack, "", @progbits
