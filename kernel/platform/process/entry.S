# The ways into the kernel and out of it: the host's signals.
#
# A signal lands on the signal stack. What it says is copied into a UserRegs (kernel/platform/context.h) on the stack
# where the kernel wants to go on, and the signal frame is left behind: handlers are installed so that the host changes
# no mask, so there is nothing to return from. GS holds the CpuLocal while the kernel runs. Offsets in it: 56
# interrupts_on, 60 interrupts_pending, 64 user_gs_base.

#define REGS_RIP 128
#define SIGNAL_STACK_SIZE 65536

    .macro POP_REGISTERS
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    addq $8, %rsp                   # orig_rax
    .endm

    .text

# The handler of every signal: edi its number, rsi siginfo_t, rdx ucontext_t.
    .globl narwhal_signal_entry
    .hidden narwhal_signal_entry
    .balign 16
narwhal_signal_entry:
    pushq $2                        # the program may have set alignment checks, or the nested-task flag, which
    popfq                           # makes iretq fault
    # The signal stack begins with the address of its CPU's block.
    movq %rsp, %rax
    andq $-SIGNAL_STACK_SIZE, %rax
    movq (%rax), %rax
    rdgsbase %rcx
    wrgsbase %rax
    movq %rsp, %rbx
    movq %rcx, %r12
    xorl %ebp, %ebp
    andq $-16, %rsp
    call narwhal_take_signal        # (number, info, context, GS as it was): rax stack, rdx where to go on
    testq %rax, %rax
    jz 1f
    movq %rax, %rsp
    jmpq *%rdx
1:  # Back to where it came from, as if nothing had been.
    wrgsbase %r12
    movq %rbx, %rsp
    ret

# What the host returns to from a handler.
    .globl narwhal_signal_return
    .hidden narwhal_signal_return
    .balign 16
narwhal_signal_return:
    movl $15, %eax                  # rt_sigreturn
    syscall
    ud2

# Each of these finds the program's registers at rsp, and interrupts held back.
    .globl narwhal_continue_syscall
    .hidden narwhal_continue_syscall
    .balign 64
narwhal_continue_syscall:
    xorl %ebp, %ebp                 # the end of the kernel's chain of frames
    movq %rsp, %rdi
    call narwhal_syscall_from_user
    testb %al, %al
    jz narwhal_restore_all
    jmp narwhal_return_slowly

    .globl narwhal_continue_trap
    .hidden narwhal_continue_trap
narwhal_continue_trap:
    xorl %ebp, %ebp
    movq %rsp, %rdi
    call narwhal_trap_from_user
    jmp narwhal_return_slowly

    .globl narwhal_continue_interrupt
    .hidden narwhal_continue_interrupt
narwhal_continue_interrupt:
    xorl %ebp, %ebp
    call narwhal_interrupt_from_user

    .globl narwhal_return_slowly
    .hidden narwhal_return_slowly
narwhal_return_slowly:
    movq %rsp, %rdi
    call narwhal_upcall_return_to_user

# Out of the kernel. A signal that comes between the look at what is pending and the iretq finds its place in this
# range, and starts it again from the top: the registers' memory is as it was, nobody else uses this stack.
    .globl narwhal_restore_all
    .hidden narwhal_restore_all
    .globl narwhal_exit_begin
    .hidden narwhal_exit_begin
narwhal_restore_all:
narwhal_exit_begin:
    cmpl $0, %gs:60
    jne narwhal_continue_interrupt
    # iretq to an address that is not canonical would fault here. Such an address fails in the program instead: just
    # below 2^47 nothing is ever mapped.
    movq REGS_RIP(%rsp), %rax
    shrq $47, %rax
    jz 1f
    movq $0x7fffffffffff, %rax
    movq %rax, REGS_RIP(%rsp)
1:  movq %gs:64, %rax
    wrgsbase %rax
    POP_REGISTERS
    iretq
    .globl narwhal_exit_end
    .hidden narwhal_exit_end
narwhal_exit_end:

# A fault in the kernel: its registers are at rsp, below what its stack held.
    .globl narwhal_continue_kernel_fault
    .hidden narwhal_continue_kernel_fault
narwhal_continue_kernel_fault:
    movq %rsp, %rdi
    call narwhal_fault_from_kernel
    POP_REGISTERS
    iretq

# [[noreturn]] void narwhal_enter_user(UserRegs& regs)
    .globl narwhal_enter_user
    .hidden narwhal_enter_user
narwhal_enter_user:
    movl $0, %gs:56
    movq %rdi, %rsp
    jmp narwhal_return_slowly

# --- sleeping ---------------------------------------------------------------------------------------------------------
# i64 narwhal_idle_poll(PollFd* polled, u64 count, const TimeSpec* most): ppoll(2), or -EINTR at once when an interrupt is
# pending. A signal that comes between the look and the host call finds its place in this range, and goes on at
# narwhal_idle_stop; one that comes later ends the call.
    .globl narwhal_idle_poll
    .hidden narwhal_idle_poll
    .globl narwhal_idle_begin
    .hidden narwhal_idle_begin
    .globl narwhal_idle_end
    .hidden narwhal_idle_end
    .globl narwhal_idle_stop
    .hidden narwhal_idle_stop
    .balign 16
narwhal_idle_poll:
    xorl %r10d, %r10d
    movl $8, %r8d
    movl $271, %eax                 # ppoll
narwhal_idle_begin:
    cmpl $0, %gs:60
    jne narwhal_idle_stop
    syscall
narwhal_idle_end:
    ret
narwhal_idle_stop:
    movq $-4, %rax                  # EINTR
    ret

# --- switching contexts -----------------------------------------------------------------------------------------------
# void narwhal_context_switch(KernelContext& from, KernelContext& to)
    .globl narwhal_context_switch
    .hidden narwhal_context_switch
    .balign 16
narwhal_context_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq (%rsi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

# The first instructions of a new context: r12 entry, r13 argument.
    .globl narwhal_context_start
    .hidden narwhal_context_start
narwhal_context_start:
    xorl %ebp, %ebp
    call narwhal_let_interrupts_in
    movq %r13, %rdi
    call *%r12
    ud2

    .section .note.GNU-stack, "", @progbits
