# Switching from one thread of the kernel to another. What context_init() lays out is what is popped here.

#include "kernel/platform/x86/callee_saved.inc"

    .text

# void narwhal_context_switch(KernelContext& from, KernelContext& to)
    .globl narwhal_context_switch
    .hidden narwhal_context_switch
    .balign 16
narwhal_context_switch:
    PUSH_CALLEE_SAVED
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    POP_CALLEE_SAVED
    ret

# The first instructions of a new context: r12 entry, r13 argument.
    .globl narwhal_context_start
    .hidden narwhal_context_start
narwhal_context_start:
    xorl %ebp, %ebp                 # the end of the chain of frames
    movq %r12, %rdi
    movq %r13, %rsi
    call narwhal_context_begin
    ud2

    .section .note.GNU-stack, "", @progbits
