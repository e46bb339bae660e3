// Notes of core files: <sys/procfs.h>, <elf.h>; core(5).
#pragma once

#include "kernel/abi/time.h"
#include "kernel/base/types.h"

namespace narwhal::abi {

inline constexpr u16 kElfCore = 4;   // ET_CORE
inline constexpr u32 kElfNotes = 4;  // PT_NOTE
// More program headers than e_phnum holds: the number is in the first section header's sh_info.
inline constexpr u16 kElfManyHeaders = 0xffff;

enum class Note : u32 {
  kStatus = 1,               // NT_PRSTATUS
  kFloatRegisters = 2,       // NT_PRFPREG
  kProcess = 3,              // NT_PRPSINFO
  kAuxiliary = 6,            // NT_AUXV
  kExtendedState = 0x202,    // NT_X86_XSTATE
  kExtendedLayout = 0x205,   // NT_X86_XSAVE_LAYOUT, Linux 6.12
  kFiles = 0x46494c45,       // NT_FILE
  kSignalInfo = 0x53494749,  // NT_SIGINFO
};

struct NoteHeader {
  u32 name_size;  // the NUL included
  u32 size;
  u32 type;
};

// struct user_regs_struct
struct CoreRegisters {
  u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax;
  u64 rip, cs, rflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

// struct elf_prstatus: one for each thread.
struct CoreStatus {
  i32 signal, code, error;
  i16 current_signal;
  u64 pending, held;
  i32 pid, parent, group, session;
  TimeVal user_time, system_time, children_user_time, children_system_time;
  CoreRegisters registers;
  i32 float_valid;
};
static_assert(sizeof(CoreStatus) == 336);

// struct elf_prpsinfo
struct CoreProcess {
  i8 state;
  char state_name;
  i8 zombie;
  i8 nice;
  u64 flags;
  u32 uid, gid;
  i32 pid, parent, group, session;
  char name[16];
  char arguments[80];
};
static_assert(sizeof(CoreProcess) == 136);

struct ElfSectionHeader {
  u32 name;
  u32 type;
  u64 flags;
  u64 address;
  u64 offset;
  u64 size;
  u32 link;
  u32 info;
  u64 alignment;
  u64 entry_size;
};
static_assert(sizeof(ElfSectionHeader) == 64);

}  // namespace narwhal::abi
