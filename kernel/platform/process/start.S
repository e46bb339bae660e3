# Where the host starts us, and the step from where it put us to where we live.

    .text
    .globl narwhal_process_start
    .hidden narwhal_process_start
narwhal_process_start:
    movq %rsp, %rdi                 # argc, argv, envp and the auxiliary vector, as execve(2) leaves them
    xorl %ebp, %ebp
    andq $-16, %rsp
    call narwhal_early_start
    ud2

# void narwhal_enter_window(u64 entry, u64 stack): goes on at addresses of the window, on a fresh stack.
    .globl narwhal_enter_window
    .hidden narwhal_enter_window
narwhal_enter_window:
    movq %rsi, %rsp
    xorl %ebp, %ebp
    pushq $0
    jmpq *%rdi

    .section .bss.boot, "aw", @nobits
    .globl narwhal_boot_stack_top
    .hidden narwhal_boot_stack_top
    .balign 4096
    .skip 32768
narwhal_boot_stack_top:

    .section .note.GNU-stack, "", @progbits
