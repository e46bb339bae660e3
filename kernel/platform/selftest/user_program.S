# What the self-test runs in ring 3. It is copied to a page of the program's, so it reaches nothing but by rip. Numbers
# of the calls are in calls.h.
#include "kernel/platform/selftest/calls.h"

    .macro CALL number
    movl $\number, %eax
    syscall
    .endm
    .macro REPORT_FAILURE where
    movl $\where, %edi
    CALL CALL_FAIL
    .endm
    # Goes on only if the two are equal.
    .macro EXPECT value, register, where
    cmpq \value, \register
    je 77f
    REPORT_FAILURE \where
77:
    .endm
    # The instruction that follows must trap; the kernel goes on at the address in r15.
    .macro AFTER_TRAP label
    leaq \label(%rip), %r15
    .endm
    .macro EXPECT_TRAP vector
    movl $\vector, %edi
    CALL CALL_CHECK_TRAP
    .endm

    .section .rodata.user_program, "a", @progbits
    .balign 16
    .globl selftest_user_start
    .hidden selftest_user_start
selftest_user_start:
    # A call changes rax, rcx and r11, and nothing else; the red zone is the program's.
    movq $0x1001, %rbx
    movq $0x1002, %rdx
    movq $0x1003, %rsi
    movq $0x1004, %rdi
    movq $0x1005, %rbp
    movq $0x1008, %r8
    movq $0x1009, %r9
    movq $0x100a, %r10
    movq $0x100c, %r12
    movq $0x100d, %r13
    movq $0x100e, %r14
    movq $0x100f, %r15
    movq $0x2222, -8(%rsp)
    movq $0x3333, -128(%rsp)
    std
    stc
    CALL CALL_NULL
    pushfq
    cld
    EXPECT $0, %rax, 1
    EXPECT $0x1001, %rbx, 2
    EXPECT $0x1002, %rdx, 3
    EXPECT $0x1003, %rsi, 4
    EXPECT $0x1004, %rdi, 5
    EXPECT $0x1005, %rbp, 6
    EXPECT $0x1008, %r8, 7
    EXPECT $0x1009, %r9, 8
    EXPECT $0x100a, %r10, 9
    EXPECT $0x100c, %r12, 10
    EXPECT $0x100d, %r13, 11
    EXPECT $0x100e, %r14, 12
    EXPECT $0x100f, %r15, 13
    popq %rax
    andl $0x401, %eax
    EXPECT $0x401, %rax, 14         # direction and carry came back
    movq $0x2222, -8(%rsp)
    CALL CALL_NULL
    EXPECT $0x2222, -8(%rsp), 15
    EXPECT $0x3333, -128(%rsp), 16

    # rcx and r11 are what `syscall` made of them.
    CALL CALL_NULL
2:  movl $CALL_NULL, %eax
    syscall
3:  leaq 3b(%rip), %rax
    EXPECT %rax, %rcx, 17

    # A frame put in the place of the call's own comes back whole.
    leaq 4f(%rip), %rdi
    CALL CALL_REPLACE_FRAME
    REPORT_FAILURE 18
4:  EXPECT $0x4001, %rbx, 19
    EXPECT $0x4002, %rcx, 20
    EXPECT $0x4003, %r11, 21
    EXPECT $0x4004, %r12, 22
    EXPECT $0x4005, %rbp, 23
    EXPECT $0x4006, %rax, 24

    # Traps.
    AFTER_TRAP 1f
    hlt
1:  EXPECT_TRAP 13
    AFTER_TRAP 1f
    cli
1:  EXPECT_TRAP 13
    AFTER_TRAP 1f
    ud2
1:  EXPECT_TRAP 6
    AFTER_TRAP 1f
    int3
1:  EXPECT_TRAP 3
    AFTER_TRAP 1f
    int $0x80
1:  EXPECT_TRAP 13
    AFTER_TRAP 1f
    xorl %edx, %edx
    xorl %ecx, %ecx
    movl $1, %eax
    divl %ecx
1:  EXPECT_TRAP 0
    AFTER_TRAP 1f
    movq $0x800000000000, %rax
    jmp *%rax                       # not canonical
1:  EXPECT_TRAP 13
    AFTER_TRAP 1f
    movq $0x7ffffffff000, %rax
    movl (%rax), %eax               # the page that nobody may map
1:  EXPECT_TRAP 14
    AFTER_TRAP 1f
    movq $0xffff800000000000, %rax
    movl (%rax), %eax               # the kernel's half
1:  EXPECT_TRAP 14
    AFTER_TRAP 1f
    inb $0x60, %al
1:  EXPECT_TRAP 13
    AFTER_TRAP 1f
    movq %cr0, %rax
1:  EXPECT_TRAP 13
    AFTER_TRAP 1f
    leaq selftest_user_start(%rip), %rax
    movl $0, (%rax)                 # its own code is not writable
1:  EXPECT_TRAP 14
    AFTER_TRAP 1f
    movl $USER_STACK_BOTTOM, %eax
    jmp *%rax                       # its stack is not executable
1:  EXPECT_TRAP 14
    # Single step: the trap flag works, and over a system call too.
    AFTER_TRAP 1f
    pushfq
    orl $0x100, (%rsp)
    popfq
    nop
1:  EXPECT_TRAP 1
    AFTER_TRAP 1f
    movl $CALL_NULL, %eax
    pushfq
    orl $0x100, (%rsp)
    popfq
    syscall
    nop
1:  EXPECT_TRAP 1
    # Alignment checks that the program asks for are its own affair.
    pushfq
    orl $0x40000, (%rsp)
    popfq
    CALL CALL_READ_MEMORY
    pushfq
    movq (%rsp), %rbx
    andl $~0x40000, (%rsp)
    popfq
    EXPECT $0, %rax, 25
    shrl $18, %ebx
    andl $1, %ebx
    EXPECT $1, %rbx, 26

    # Memory that comes when it is touched, by the program and by the kernel for it.
    movl $USER_DEMAND, %ebx
    movq $0x55, 8(%rbx)
    EXPECT $0x55, 8(%rbx), 30
    EXPECT $0, (%rbx), 31
    CALL CALL_WRITE_MEMORY
    EXPECT $0, %rax, 32
    EXPECT $0x77, USER_DEMAND + 0x3000, 33

    # Bases of FS and GS.
    CALL CALL_SET_BASES
    EXPECT $0, %rax, 40
    movq %fs:0, %rax
    EXPECT $0x66, %rax, 41
    movq %gs:0, %rax
    EXPECT $0x67, %rax, 42

    # Vector registers, bases and the rest survive another thread, which was given other values (r12 tells which thread
    # this is) and an interrupt at any instruction.
    CALL CALL_WHO_AM_I
    movq %rax, %r12
    movq %rax, %xmm0
    movq %rax, %xmm15
    movq %rax, %mm3
    movl $200, %r13d
5:  CALL CALL_YIELD
    movq %xmm0, %rax
    EXPECT %r12, %rax, 50
    movq %xmm15, %rax
    EXPECT %r12, %rax, 51
    movq %mm3, %rax
    EXPECT %r12, %rax, 52
    decl %r13d
    jnz 5b
    emms
    movq $6000000, %rcx             # long enough for a time slice
6:  movq %xmm15, %rax
    cmpq %r12, %rax
    je 7f
    REPORT_FAILURE 53
7:  decq %rcx
    jnz 6b

    # What an empty call costs: the kernel looks at the clock around it.
    CALL CALL_START_CLOCK
    movl $10000, %ebx
8:  movl $CALL_NULL, %eax
    syscall
    decl %ebx
    jnz 8b
    movl $10000, %edi
    CALL CALL_STOP_CLOCK

    CALL CALL_DONE
    ud2
    .globl selftest_user_end
    .hidden selftest_user_end
selftest_user_end:

    .section .note.GNU-stack, "", @progbits
