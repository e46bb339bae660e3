# The ways into the kernel and out of it: system calls, exceptions, interrupts.
#
# Each builds a UserRegs (kernel/platform/context.h) on the kernel stack. When the program was interrupted that is the
# thread's own stack top, so user_regs_at() finds it. GS holds the CpuLocal while the kernel runs; swapgs changes it at
# the border. Offsets in CpuLocal: 8 kernel_stack_top, 16 user_stack_scratch.

#include "kernel/platform/x86/user_regs.inc"

    .text

# --- system calls ------------------------------------------------------------------------------------------------
# `syscall` left rip in rcx and rflags in r11, and masked rflags by SFMASK: interrupts are off.
# Of several CPUs each takes the kernel lock on the way in (processors.h). One alone has an entry without; on the way
# out a store costs less than to ask.
    .macro SYSCALL_ENTRY name, takes_lock
    .globl \name
    .hidden \name
    .balign 64
\name:
    swapgs
    movq %rsp, %gs:16
    movq %gs:8, %rsp
    pushq $0x2b                     # ss
    pushq %gs:16
    pushq %r11
    pushq $0x33                     # cs
    pushq %rcx
    pushq %rax                      # orig_rax
    pushq %rdi
    PUSH_REGISTERS_BELOW_RDI
    xorl %ebp, %ebp                 # the end of the kernel's chain of frames
    .if \takes_lock
    call narwhal_kernel_lock_take
    .endif
    movq %rsp, %rdi
    sti
    call narwhal_upcall_syscall
    # Interrupts are off again; al says whether the way back has work to do.
    testb %al, %al
    jnz narwhal_return_slowly
    # sysret takes rip and rflags from rcx and r11, and the callee-saved registers (but for rbp) still hold what the
    # program had in them. So it serves when the frame is as `syscall` left it. Whoever puts another one in its place
    # (rt_sigreturn, execve) sets orig_rax to ~0. That rip is canonical, without which sysret faults in ring 0 on Intel's
    # CPUs, follows from the page below 2^47 that no program can map (kUserEnd).
    movq REGS_RFLAGS(%rsp), %r11
    cmpq $-1, REGS_ORIG_RAX(%rsp)
    je narwhal_restore_all
    testl $0x10100, %r11d           # trap and resume flags: iretq does them right
    jnz narwhal_restore_all
    movl $0, narwhal_kernel_lock(%rip)
    movq REGS_RIP(%rsp), %rcx
    RESTORE_AFTER_CALL
    swapgs
    sysretq
    .endm
    SYSCALL_ENTRY narwhal_syscall_entry, 0
    SYSCALL_ENTRY narwhal_syscall_entry_of_many, 1

# --- leaving with everything restored ---------------------------------------------------------------------------------
# rsp points at a UserRegs; interrupts are off.
    .globl narwhal_return_slowly
    .hidden narwhal_return_slowly
narwhal_return_slowly:
    movq %rsp, %rdi
    call narwhal_upcall_return_to_user
narwhal_restore_all:
    # iretq to an address that is not canonical would fault in the kernel, with the program's GS. Such an address fails
    # in the program instead: just below 2^47 nothing is ever mapped.
    movq REGS_RIP(%rsp), %rax
    shrq $47, %rax
    jz 1f
    movq $0x7fffffffffff, %rax
    movq %rax, REGS_RIP(%rsp)
1:  movl $0, narwhal_kernel_lock(%rip)
    POP_REGISTERS
    swapgs
    iretq

# [[noreturn]] void platform::enter_user(UserRegs& regs)
    .globl narwhal_enter_user
    .hidden narwhal_enter_user
narwhal_enter_user:
    cli
    movq %rdi, %rsp
    xorl %ebp, %ebp
    jmp narwhal_return_slowly

# --- exceptions and interrupts ------------------------------------------------------------------------------------
# A stub for each vector, 16 bytes apart: pushes an error code where the CPU does not, then rdi, and puts the vector
# into edi.
    .balign 16
    .globl narwhal_trap_stubs
    .hidden narwhal_trap_stubs
narwhal_trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    pushq $0
    .endif
    pushq %rdi
    movl $vector, %edi
    jmp narwhal_trap_common
    .set vector, vector + 1
    .endr

    .balign 64
narwhal_trap_common:
    PUSH_REGISTERS_BELOW_RDI
    cld
    testb $3, REGS_CS(%rsp)
    jz narwhal_trap_in_kernel
    swapgs
    cmpb $0, narwhal_has_smap(%rip)
    je 1f
    .byte 0x0f, 0x01, 0xca          # clac: the program may have set AC
1:  xorl %ebp, %ebp
    cmpb $0, narwhal_many_cpus(%rip)
    je 2f
    movl %edi, %ebx
    call narwhal_kernel_lock_take
    movl %ebx, %edi
2:  movq %rsp, %rsi
    call narwhal_trap_from_user     # (vector, regs); returns with interrupts off
    jmp narwhal_return_slowly

narwhal_trap_in_kernel:
    cmpb $0, narwhal_has_smap(%rip)
    je 1f
    .byte 0x0f, 0x01, 0xca          # clac: the trap may have come from a user copy; iretq brings AC back
1:  movq %rsp, %rsi
    call narwhal_trap_from_kernel
    POP_REGISTERS
    iretq

# Debug exceptions come on a stack of their own: after `mov` to ss the CPU holds back what the instruction caught on a
# watched address, and if a system call comes next, delivers it before the first instruction of our entry, where rsp and
# GS are the program's still (Intel SDM vol. 3, section 6.8.3). Those from a program go on as all others do, on the
# thread's stack.
    .globl narwhal_debug_stub
    .hidden narwhal_debug_stub
    .balign 16
narwhal_debug_stub:
    pushq $0
    pushq %rdi
    movl $1, %edi
    testb $3, 24(%rsp)              # cs
    jz narwhal_trap_common
    swapgs
    movq %rsp, %rdi
    movq %gs:8, %rsp
    swapgs
    pushq 48(%rdi)                  # ss
    pushq 40(%rdi)                  # rsp
    pushq 32(%rdi)                  # rflags
    pushq 24(%rdi)                  # cs
    pushq 16(%rdi)                  # rip
    pushq 8(%rdi)                   # error code
    pushq (%rdi)                    # rdi
    movl $1, %edi
    jmp narwhal_trap_common

# Another CPU wants something of this one, and waits for it with the kernel lock held: so it is done outside of the lock,
# whatever was interrupted.
    .globl narwhal_call_stub
    .hidden narwhal_call_stub
    .balign 16
narwhal_call_stub:
    pushq $0
    pushq %rdi
    PUSH_REGISTERS_BELOW_RDI
    cld
    testb $3, REGS_CS(%rsp)
    jz 1f
    swapgs
1:  cmpb $0, narwhal_has_smap(%rip)
    je 2f
    .byte 0x0f, 0x01, 0xca          # clac
2:  xorl %ebp, %ebp
    call narwhal_call_interrupt
    testb $3, REGS_CS(%rsp)
    jz 3f
    swapgs
3:  POP_REGISTERS
    iretq

# NMI, double fault and machine check come on stacks of their own and are always the end. GS may be either side's: the
# handler sets it.
    .globl narwhal_fatal_stubs
    .hidden narwhal_fatal_stubs
    .balign 16
narwhal_fatal_stubs:
    .set vector, 0
    .rept 32
    .balign 16
    .if (vector == 8)
    .else
    pushq $0
    .endif
    pushq %rdi
    movl $vector, %edi
    jmp narwhal_fatal_common
    .set vector, vector + 1
    .endr
narwhal_fatal_common:
    PUSH_REGISTERS_BELOW_RDI
    cld
    movq %rsp, %rsi
    call narwhal_fatal_trap
    ud2

    .section .note.GNU-stack, "", @progbits
