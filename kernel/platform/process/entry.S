# The ways into the kernel and out of it: the host's signals.
#
# A signal lands on the signal stack. What it says is copied into a UserRegs (kernel/platform/context.h) on the stack
# where the kernel wants to go on, and the signal frame is left behind: handlers are installed so that the host changes
# no mask (but for interrupts, which narwhal_interrupt_from_user lets come again), so there is nothing to return from. GS holds
# the CpuLocal while the kernel's C++ runs, and while a program runs that has no GS base of its own
# (user_gs_base is 0 then). Offsets in it: 8 kernel_stack_top, 16 user_stack_scratch, 56 interrupts_on, 60
# interrupts_pending, 64 user_gs_base, 72 user_fs_base.
#
# The other way in is a direct call: narwhal_direct_entry. Of several CPUs each takes the kernel lock on the way in, once
# the program's registers are in memory, and gives it back on the way out, before the last look at what is pending
# (processors.h).

#include "kernel/platform/x86/user_regs.inc"

#define SIGNAL_STACK_SIZE 65536
# Those that C++ must not see, and that a quick way back does not bring: trap, direction, nested task, resume, alignment
# check.
#define UNUSUAL_FLAGS 0x54500

# cpu.cc and host.h assert these.
#define CPU_BLOCK_SIZE 80
#define CPU_BLOCKS_SIZE (16 * CPU_BLOCK_SIZE)
#define THREAD_SEGMENT 0x63

    .section .data.rel.ro, "aw", @progbits
    .balign 8
narwhal_cpu_blocks_at:
    .quad narwhal_cpu_blocks

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
    call narwhal_caught_call_from_user
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
# range, and starts it again, by way of the kernel: the registers' memory is as it was, nobody else uses this stack.
    .globl narwhal_restore_all
    .hidden narwhal_restore_all
    .globl narwhal_exit_begin
    .hidden narwhal_exit_begin
narwhal_restore_all:
    cmpb $0, narwhal_many_cpus(%rip)
    je narwhal_exit_begin
    call narwhal_kernel_lock_release
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
    testq %rax, %rax                # none of its own: ours stays, for direct calls
    jz 2f
    wrgsbase %rax
2:  POP_REGISTERS
    iretq
    .globl narwhal_exit_end
    .hidden narwhal_exit_end
narwhal_exit_end:

# --- direct calls -----------------------------------------------------------------------------------------------------
# The arithmetic flags, without popfq, which takes longer than all the rest: overflow by an addition, the others from ah.
    .macro SET_FLAGS_FROM_AX
    addb $127, %al
    sahf
    .endm

# From a stub (kernel/platform/rewrite/stub.cc). As after `syscall`: the number in rax, the way back in rcx; r11 is free.
# Interrupts are held back, as they are while the program runs: a signal that comes in here is noted, and waits until the
# kernel lets it in; it leaves GS as it finds it.
#
# With one CPU it is known where its block is. GS holds it, or a base of the program's own.
#
# Of several CPUs, GS tells which one this is, unless the program has a base of its own. Then the host's table of segments
# does, whose entry for threads (host::number_thread) ends with the CPU's number: the host has one for each of its threads,
# and nothing that a program can do changes it. GS may also hold another CPU's block: the program has read it there, and
# set it here. Then it does not go with the thread that runs, whose FS base is another one; the call is one for the host,
# which is what the instruction before the way back says.
    .macro FLAGS_ONTO_RCX           # and rax to r11
    movq %rax, %r11
    lahf
    seto %al
    shlq $48, %rax
    orq %rax, %rcx
    .endm
    .macro TAKE_FLAGS_FROM_RCX
    movq %rcx, %rax
    shrq $48, %rax
    shlq $16, %rcx
    shrq $16, %rcx
    SET_FLAGS_FROM_AX
    movq %r11, %rax
    .endm

    .macro DIRECT_ENTRY name, many
    .globl \name
    .hidden \name
    .balign 64
\name:
    .if \many
    FLAGS_ONTO_RCX
    rdgsbase %rax
    subq narwhal_cpu_blocks_at(%rip), %rax
    cmpq $CPU_BLOCKS_SIZE, %rax
    jae 5f
    rdfsbase %rax
    cmpq %rax, %gs:72
    jne 4f
    movq $0, %gs:64
2:  TAKE_FLAGS_FROM_RCX
    movq %rsp, %gs:16
    movq %gs:8, %rsp
    pushq $0x2b                     # ss
    pushq %gs:16
    .else
    movq %rsp, narwhal_cpu_blocks+16(%rip)
    movq narwhal_cpu_blocks+8(%rip), %rsp
    pushq $0x2b
    pushq narwhal_cpu_blocks+16(%rip)
    .endif
    pushfq
    movq (%rsp), %r11
    pushq $0x33                     # cs
    pushq %rcx
    pushq %rax                      # orig_rax
    pushq %rdi
    PUSH_REGISTERS_BELOW_RDI
    .if !\many
    rdgsbase %rdx
    leaq narwhal_cpu_blocks(%rip), %rcx
    cmpq %rcx, %rdx
    jne 5f
    movq $0, %gs:64
2:
    .endif
    testl $UNUSUAL_FLAGS, %r11d
    jnz 3f
1:  xorl %ebp, %ebp                 # the end of the kernel's chain of frames
    movq %rsp, %rdi
    .if \many
    call narwhal_direct_call_of_many
    .else
    call narwhal_direct_call_from_user
    .endif
    testb %al, %al
    jnz narwhal_return_slowly

    # Back to where `syscall` would go, with what it changes changed and all else as it was: without iretq. Serves when
    # the frame is that of the call still: who puts another in its place (rt_sigreturn, execve) sets orig_rax to ~0. The
    # callee-saved registers but rbp hold the program's values. A signal that finds its place from the look at what is
    # pending to the last jump goes on as one that interrupted the program, with the frame that is in memory.
    movq REGS_RFLAGS(%rsp), %rcx
    movq REGS_RIP(%rsp), %rdx
    cmpq $-1, REGS_ORIG_RAX(%rsp)
    je narwhal_restore_all
    testl $UNUSUAL_FLAGS, %ecx
    jnz narwhal_restore_all
    movq %rdx, %rsi
    shrq $47, %rsi
    jnz narwhal_restore_all
    .if \many
    call narwhal_kernel_lock_release
    movq REGS_RFLAGS(%rsp), %rcx
    movq REGS_RIP(%rsp), %rdx
    .endif
    jmp narwhal_fast_exit_begin

3:  pushq $2                        # as narwhal_signal_entry
    popfq
    jmp 1b
    # A base of the program's own.
    .if \many
5:  movl $THREAD_SEGMENT, %eax
    lsl %eax, %eax
    jnz 4f                          # the host has no such entries
    imull $CPU_BLOCK_SIZE, %eax, %eax
    addq narwhal_cpu_blocks_at(%rip), %rax
    movq %r11, 16(%rax)
    rdgsbase %r11
    movq %r11, 64(%rax)
    movq 16(%rax), %r11
    wrgsbase %rax
    jmp 2b
4:  TAKE_FLAGS_FROM_RCX
    leaq -2(%rcx), %rcx
    jmpq *%rcx
    .else
5:  wrgsbase %rcx
    movq %rdx, %gs:64
    jmp 2b
    .endif
    .endm
    DIRECT_ENTRY narwhal_direct_entry, 0
    DIRECT_ENTRY narwhal_direct_entry_of_many, 1

    .globl narwhal_fast_exit_begin
    .hidden narwhal_fast_exit_begin
narwhal_fast_exit_begin:
    cmpl $0, %gs:60
    jne narwhal_continue_interrupt
    # Flags that popfq would set besides the arithmetic ones are as in the kernel.
    movq %gs:64, %rax
    testq %rax, %rax
    jz 1f
    wrgsbase %rax
1:  movq %rcx, %r11
    movl %ecx, %eax
    shrl $11, %eax
    andl $1, %eax
    movb %cl, %ah
    SET_FLAGS_FROM_AX
    movq %rdx, %rcx
    RESTORE_AFTER_CALL
    jmpq *%rcx
    .globl narwhal_fast_exit_end
    .hidden narwhal_fast_exit_end
narwhal_fast_exit_end:

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

    .section .note.GNU-stack, "", @progbits
