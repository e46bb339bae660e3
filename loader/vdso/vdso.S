# The vDSO, vdso(7): a shared object of one page that the kernel maps into every program, so that asking for the time
# needs no system call. The page before it holds what it reads: VdsoData (vdso.h).
#
# The object is written out by hand, headers and all: it is small, never changes, and so needs no link of its own. All
# addresses in it count from its first byte. Its code follows glibc's and musl's expectations: symbols by DT_HASH,
# version LINUX_2.6.

#define DATA (vdso_image - 4096)
#define SEQUENCE (DATA + 0)(%rip)
#define USABLE (DATA + 4)(%rip)
#define BASE_TSC (DATA + 8)(%rip)
#define BASE_NS (DATA + 16)(%rip)
#define MULT (DATA + 24)(%rip)
#define SHIFT (DATA + 28)(%rip)
#define WALL_OFFSET (DATA + 32)(%rip)
#define SLEW_MULT (DATA + 40)(%rip)

    .section .rodata.vdso, "a", @progbits
    .balign 4096
    .globl vdso_image
    .hidden vdso_image
vdso_image:
# --- ELF header
    .byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0
    .quad 0
    .short 3, 62                    # ET_DYN, EM_X86_64
    .long 1
    .quad 0                         # no entry
    .quad program_headers - vdso_image
    .quad 0                         # no sections
    .long 0
    .short 64, 56, 2, 0, 0, 0
program_headers:
    .long 1, 5                      # PT_LOAD, readable and executable
    .quad 0, 0, 0
    .quad vdso_image_end - vdso_image, vdso_image_end - vdso_image
    .quad 4096
    .long 2, 4                      # PT_DYNAMIC
    .quad dynamic - vdso_image, dynamic - vdso_image, dynamic - vdso_image
    .quad dynamic_end - dynamic, dynamic_end - dynamic
    .quad 8

# --- symbols
    .balign 8
symbols:
    .skip 24
    .macro SYMBOL name_offset, start, end
    ENTRY \name_offset, 0x12, \start, \end       # global function
    # The name without its prefix, as a weak alias.
    ENTRY \name_offset + 7, 0x22, \start, \end
    .endm
    .macro ENTRY name_offset, kind, start, end
    .long \name_offset
    .byte \kind, 0
    .short 1                        # any section but "undefined"
    .quad \start - vdso_image
    .quad \end - \start
    .endm
    SYMBOL name_clock_gettime - strings, clock_gettime, clock_gettime_end
    SYMBOL name_gettimeofday - strings, gettimeofday, gettimeofday_end
    SYMBOL name_time - strings, time, time_end
    SYMBOL name_clock_getres - strings, clock_getres, clock_getres_end
    SYMBOL name_getcpu - strings, getcpu, getcpu_end
    .set symbol_count, 11

strings:
    .byte 0
name_clock_gettime: .asciz "__vdso_clock_gettime"
name_gettimeofday:  .asciz "__vdso_gettimeofday"
name_time:          .asciz "__vdso_time"
name_clock_getres:  .asciz "__vdso_clock_getres"
name_getcpu:        .asciz "__vdso_getcpu"
name_soname:        .asciz "linux-vdso.so.1"
name_version:       .asciz "LINUX_2.6"
strings_end:

# One bucket: a chain through all symbols.
    .balign 8
hash:
    .long 1, symbol_count
    .long 1
    .long 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0

    .balign 8
versions:                           # of each symbol
    .short 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2
    .balign 8
version_definitions:
    .short 1, 1, 1, 1               # version 1, base, index 1, one name
    .long 0x0deebfa1                # ELF hash of the soname
    .long 20, 28
    .long name_soname - strings, 0
    .short 1, 0, 2, 1               # index 2
    .long 0x3ae75f6                 # ELF hash of "LINUX_2.6"
    .long 20, 0
    .long name_version - strings, 0

    .balign 8
dynamic:
    .quad 4, hash - vdso_image      # DT_HASH
    .quad 5, strings - vdso_image   # DT_STRTAB
    .quad 6, symbols - vdso_image   # DT_SYMTAB
    .quad 10, strings_end - strings # DT_STRSZ
    .quad 11, 24                    # DT_SYMENT
    .quad 14, name_soname - strings # DT_SONAME
    .quad 0x6ffffff0, versions - vdso_image
    .quad 0x6ffffffc, version_definitions - vdso_image
    .quad 0x6ffffffd, 2
    .quad 0, 0
dynamic_end:

# --- code
    .balign 64
# int clock_gettime(clockid_t edi, struct timespec* rsi)
clock_gettime:
    cmpl $7, %edi
    ja 3f
    movl $0xf3, %eax                # realtime, monotonic, raw, both coarse ones, boottime
    btl %edi, %eax
    jnc 3f
1:  movl SEQUENCE, %r9d
    testb $1, %r9b
    jnz 1b
    cmpl $0, USABLE
    je 3f
    lfence
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    subq BASE_TSC, %rax
    js 4f
    movl MULT, %ecx
    mulq %rcx
    movl SHIFT, %ecx
    shrdq %cl, %rdx, %rax
5:  addq BASE_NS, %rax
    movl $0x21, %ecx                # realtime and its coarse one are wall-clock time
    btl %edi, %ecx
    jnc 2f
    addq WALL_OFFSET, %rax
2:  cmpl SEQUENCE, %r9d
    jne 1b
    # rax / 10^9 by multiplication: (rax >> 9) * 19342813113834067 >> 75
    movq %rax, %r10
    shrq $9, %rax
    movabsq $19342813113834067, %rcx
    mulq %rcx
    shrq $11, %rdx
    imulq $1000000000, %rdx, %rcx
    subq %rcx, %r10
    movq %rdx, (%rsi)
    movq %r10, 8(%rsi)
    xorl %eax, %eax
    ret
3:  movl $228, %eax                 # clock_gettime
    syscall
    ret
4:  negq %rax
    movl SLEW_MULT, %ecx
    mulq %rcx
    movl SHIFT, %ecx
    shrdq %cl, %rdx, %rax
    negq %rax
    jmp 5b
clock_gettime_end:

    .balign 16
# int gettimeofday(struct timeval* rdi, struct timezone* rsi)
gettimeofday:
    testq %rdi, %rdi
    jz 1f
    cmpl $0, USABLE
    je 2f
    pushq %rsi
    pushq %rdi
    movq %rdi, %rsi
    xorl %edi, %edi
    call clock_gettime
    popq %rdi
    popq %rsi
    imulq $274877907, 8(%rdi), %rax # nanoseconds / 1000
    shrq $38, %rax
    movq %rax, 8(%rdi)
1:  xorl %eax, %eax
    testq %rsi, %rsi
    jz 3f
    movq %rax, (%rsi)
3:  ret
2:  movl $96, %eax                  # gettimeofday
    syscall
    ret
gettimeofday_end:

    .balign 16
# time_t time(time_t* rdi)
time:
    pushq %rdi
    subq $16, %rsp
    movq %rsp, %rsi
    xorl %edi, %edi
    call clock_gettime
    movq (%rsp), %rax
    addq $16, %rsp
    popq %rdi
    testq %rdi, %rdi
    jz 1f
    movq %rax, (%rdi)
1:  ret
time_end:

    .balign 16
# int clock_getres(clockid_t edi, struct timespec* rsi)
clock_getres:
    movl $229, %eax
    syscall
    ret
clock_getres_end:

    .balign 16
# int getcpu(unsigned* rdi, unsigned* rsi, void*)
getcpu:
    movl $309, %eax
    syscall
    ret
getcpu_end:

    .globl vdso_image_end
    .hidden vdso_image_end
vdso_image_end:
    .org vdso_image + 4096, 0       # fails to assemble when it is larger than a page

    .section .note.GNU-stack, "", @progbits
