# From one host process to another, on the same kernel stack.
#
# Offsets in a Seat (host_process.h): 0 turn, 4 exit_status, 8 stack. A futex word is looked at before every wait, so
# it does not matter which of the two comes first, or what ends the wait.

#include "kernel/platform/x86/callee_saved.inc"

#define FUTEX 202
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define EXIT_GROUP 231
#define MUNMAP 11
#define CLONE 56

    .text

# void narwhal_hand_over(Seat& from, Seat& to): returns in the host process of `to`. After the other may run, this one
# does not touch the stack.
    .globl narwhal_hand_over
    .hidden narwhal_hand_over
    .balign 16
narwhal_hand_over:
    PUSH_CALLEE_SAVED
    movq %rdi, %rbx
    movq %rsp, 8(%rsi)
    movl $1, %eax
    xchgl %eax, (%rsi)
    movq %rsi, %rdi
    movl $FUTEX_WAKE, %esi
    movl $1, %edx
    xorl %r10d, %r10d
    movl $FUTEX, %eax
    syscall
narwhal_wait_for_turn:              # rbx: the seat. No stack.
    movl (%rbx), %eax
    testl %eax, %eax
    jnz 1f
    movq %rbx, %rdi
    movl $FUTEX_WAIT, %esi
    xorl %edx, %edx
    xorl %r10d, %r10d
    movl $FUTEX, %eax
    syscall
    jmp narwhal_wait_for_turn
1:  cmpl $1, %eax
    jne 2f
    movl $0, (%rbx)
    movq 8(%rbx), %rsp
    POP_CALLEE_SAVED
    ret
2:  movl 4(%rbx), %edi
    movl $EXIT_GROUP, %eax
    syscall
    ud2

# [[noreturn]] void narwhal_take_seat(Seat& seat, void* start, u64 size, u32& users): the first wait of a new host thread.
# The last of those that use it gives back the memory that their stacks were in.
    .globl narwhal_take_seat
    .hidden narwhal_take_seat
    .balign 16
narwhal_take_seat:
    movq %rdi, %rbx
    lock decl (%rcx)
    jnz narwhal_wait_for_turn       # no stack from here on
    movq %rsi, %rdi
    movq %rdx, %rsi
    movl $MUNMAP, %eax
    syscall
    jmp narwhal_wait_for_turn

# i64 narwhal_clone_at(u64 flags, void* stack, void (*function)(void*), void* argument): clone(2), whose child calls
# function(argument) on a stack of its own that ends there.
    .globl narwhal_clone_at
    .hidden narwhal_clone_at
    .balign 16
narwhal_clone_at:
    movq %rdx, %r8                  # the host looks at neither
    movq %rcx, %r9
    xorl %edx, %edx
    xorl %r10d, %r10d
    movl $CLONE, %eax
    syscall
    testq %rax, %rax
    jz 1f
    ret
1:  xorl %ebp, %ebp
    movq %r9, %rdi
    callq *%r8
    ud2

    .section .note.GNU-stack, "", @progbits
