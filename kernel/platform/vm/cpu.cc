#include "kernel/platform/vm/cpu.h"

#include <cstddef>
#include <cstring>
#include <iterator>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/arch/x86_64/msr.h"
#include "kernel/platform/context.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/vm/processors.h"
#include "kernel/platform/vm/trap.h"

extern "C" {
// Looked at by entry.S and user_copy.S.
constinit bool narwhal_has_smap = false;
extern char narwhal_trap_stubs[], narwhal_debug_stub[], narwhal_fatal_stubs[], narwhal_call_stub[];
}

namespace narwhal {

// Assembly knows these.
static_assert(offsetof(CpuLocal, self) == 0);
static_assert(offsetof(CpuLocal, kernel_stack_top) == 8);
static_assert(offsetof(CpuLocal, user_stack_scratch) == 16);
static_assert(offsetof(CpuLocal, current) == 24);
static_assert(offsetof(UserRegs, rdi) == 112 && offsetof(UserRegs, rip) == 128 &&
              offsetof(UserRegs, cs) == 136 && offsetof(UserRegs, rflags) == 144 &&
              offsetof(UserRegs, rcx) == 88 && offsetof(UserRegs, orig_rax) == 120 &&
              sizeof(UserRegs) == 168);

namespace vm {

constinit CpuFeatures cpu_features{};

namespace {

struct [[gnu::packed]] TaskState {
  u32 reserved0;
  u64 stack[3];
  u64 reserved1;
  u64 interrupt_stack[7];
  u64 reserved2;
  u16 reserved3;
  u16 io_map;
};
static_assert(sizeof(TaskState) == 104);

struct Gate {
  u16 offset_low;
  u16 selector;
  u8 stack;
  u8 type;
  u16 offset_middle;
  u32 offset_high;
  u32 reserved;
};
static_assert(sizeof(Gate) == 16);

struct [[gnu::packed]] TablePointer {
  u16 limit;
  u64 base;
};

constexpr usize kOwnStackSize = 8 * kKiB;

alignas(16) constinit Gate gates[256] = {};  // the same for all CPUs

constexpr u8 kInterruptGate = 0x8e;
constexpr u8 kUserInterruptGate = 0xee;
constexpr unsigned kDebug = 1, kNmi = 2, kBreakpoint = 3, kOverflow = 4, kDoubleFault = 8,
                   kMachineCheck = 18;

void set_gate(unsigned vector, const char* stub, u8 type, u8 stack) {
  const u64 address = reinterpret_cast<u64>(stub);
  gates[vector] = {u16(address),       x86::kKernelCode,   stack, type,
                   u16(address >> 16), u32(address >> 32), 0};
}

}  // namespace

struct CpuState {
  CpuLocal local;  // first: what GS points at is the state as well
  TaskState task_state{};
  alignas(16) u64 descriptors[10] = {};
  alignas(16) std::byte own_stacks[4][kOwnStackSize] = {};
};

namespace {

constinit CpuState boot_cpu;

void load_tables(CpuState& cpu) {
  u64* const descriptors = cpu.descriptors;
  TaskState& task_state = cpu.task_state;
  const u64 tss = reinterpret_cast<u64>(&task_state);
  // Accessed bits are set: the CPU would write them otherwise.
  descriptors[2] = 0x00af9b000000ffff;  // 0x10 kernel code
  descriptors[3] = 0x00cf93000000ffff;  // 0x18 kernel data
  descriptors[4] = 0x00cffb000000ffff;  // 0x23 32-bit user code, which sysret counts from
  descriptors[5] = 0x00cff3000000ffff;  // 0x2b user data
  descriptors[6] = 0x00affb000000ffff;  // 0x33 user code
  descriptors[8] = 0x0000890000000000 | (sizeof(TaskState) - 1) | (tss & 0xffffff) << 16 |
                   (tss >> 24 & 0xff) << 56;
  descriptors[9] = tss >> 32;
  const TablePointer gdt{sizeof cpu.descriptors - 1, reinterpret_cast<u64>(descriptors)};
  asm volatile(
      "lgdt %0\n"
      "pushq %1\n"
      "leaq 1f(%%rip), %%rax\n"
      "pushq %%rax\n"
      "lretq\n"
      "1: movl %2, %%eax\n"
      "movl %%eax, %%ss\n"
      "movl %%eax, %%ds\n"
      "movl %%eax, %%es\n"
      "xorl %%eax, %%eax\n"
      "movl %%eax, %%fs\n"
      "movl %%eax, %%gs\n" ::"m"(gdt),
      "i"(x86::kKernelCode), "i"(x86::kKernelData)
      : "rax", "memory");

  for (unsigned i = 0; i < std::size(cpu.own_stacks); ++i)
    task_state.interrupt_stack[i] = reinterpret_cast<u64>(cpu.own_stacks[i]) + kOwnStackSize;
  task_state.io_map = sizeof task_state;
  asm volatile("ltr %w0" ::"r"(u32(x86::kTaskState)));
  // None: what the processor starts with covers the program's first 64 KiB, and its selectors would
  // read there with the kernel's rights.
  asm volatile("lldt %w0" ::"r"(u32(0)));
  const TablePointer idt{sizeof gates - 1, reinterpret_cast<u64>(gates)};
  asm volatile("lidt %0" ::"m"(idt));
}

void fill_gates() {
  for (unsigned vector = 0; vector < 256; ++vector) {
    // int3 and into may be used by programs; `int 0x80` is no way into this kernel and faults
    // (general protection).
    const bool from_user = vector == kBreakpoint || vector == kOverflow;
    set_gate(vector, narwhal_trap_stubs + vector * 16,
             from_user ? kUserInterruptGate : kInterruptGate, 0);
  }
  set_gate(kNmi, narwhal_fatal_stubs + kNmi * 16, kInterruptGate, 1);
  set_gate(kDoubleFault, narwhal_fatal_stubs + kDoubleFault * 16, kInterruptGate, 2);
  set_gate(kMachineCheck, narwhal_fatal_stubs + kMachineCheck * 16, kInterruptGate, 3);
  set_gate(kDebug, narwhal_debug_stub, kInterruptGate, 4);
  set_gate(kCallVector, narwhal_call_stub, kInterruptGate, 0);
}

void find_features() {
  const auto basic = x86::cpuid(1);
  const u32 most = x86::cpuid(0).eax;
  const auto extended = most >= 7 ? x86::cpuid(7) : x86::CpuidResult{};
  cpu_features.hypervisor = basic.ecx >> 31 & 1;
  cpu_features.xsave = basic.ecx >> 26 & 1;
  cpu_features.tsc_deadline = basic.ecx >> 24 & 1;
  cpu_features.x2apic = basic.ecx >> 21 & 1;
  cpu_features.pcid = basic.ecx >> 17 & 1;
  cpu_features.fsgsbase = extended.ebx & 1;
  cpu_features.smep = extended.ebx >> 7 & 1;
  cpu_features.smap = extended.ebx >> 20 & 1;
  cpu_features.umip = extended.ecx >> 2 & 1;
  if (x86::cpuid(0x80000000).eax >= 0x80000007)
    cpu_features.invariant_tsc = x86::cpuid(0x80000007).edx >> 8 & 1;
}

}  // namespace

void use_syscall_entry() {
  x86::write_msr(x86::kMsrLstar, reinterpret_cast<u64>(syscall_entry()));
}

// Registers that every CPU has for itself.
static void set_registers() {
  restore_cpu_local();
  x86::write_msr(x86::kMsrKernelGsBase, 0);
  x86::write_msr(x86::kMsrEfer,
                 x86::read_msr(x86::kMsrEfer) | x86::kEferSyscall | x86::kEferNoExecute);
  x86::write_msr(x86::kMsrStar, u64{x86::kUserCode32Base} << 48 | u64{x86::kKernelCode} << 32);
  use_syscall_entry();
  x86::write_msr(x86::kMsrSfmask, x86::kFlagInterruptEnable | x86::kFlagDirection | x86::kFlagTrap |
                                      x86::kFlagAlignmentCheck | x86::kFlagNestedTask |
                                      x86::kFlagIoPrivilege | x86::kFlagResume);

  u64 cr0 = x86::read_cr0();
  cr0 &= ~(x86::kCr0Emulation | x86::kCr0TaskSwitched | x86::kCr0CacheDisable |
           x86::kCr0NotWriteThrough);
  cr0 |= x86::kCr0MonitorCoprocessor | x86::kCr0NumericError | x86::kCr0WriteProtect;
  x86::write_cr0(cr0);

  u64 cr4 = x86::read_cr4() | x86::kCr4GlobalPages | x86::kCr4FxSave | x86::kCr4SimdExceptions;
  if (cpu_features.fsgsbase) cr4 |= x86::kCr4FsGsBase;
  if (cpu_features.umip) cr4 |= x86::kCr4UserInstructionPrevention;
  if (cpu_features.smep) cr4 |= x86::kCr4Smep;
  if (cpu_features.smap) cr4 |= x86::kCr4Smap;
  if (cpu_features.xsave) cr4 |= x86::kCr4XSave;
  // CR3 holds number 0 now, as it must.
  if (cpu_features.pcid) cr4 |= x86::kCr4ProcessContextIds;
  x86::write_cr4(cr4);
  narwhal_has_smap = cpu_features.smap;
}

// The descriptor table is one that the program can't change, and part of the CPU's state.
void restore_cpu_local() {
  TablePointer gdt;
  asm volatile("sgdt %0" : "=m"(gdt));
  x86::write_msr(x86::kMsrGsBase, gdt.base - offsetof(CpuState, descriptors));
}

void set_interrupt_stack(u64 top) {
  CpuLocal& local = cpu_local();
  reinterpret_cast<CpuState&>(local).task_state.stack[0] = top;
  local.kernel_stack_top = top;
}

CpuLocal& cpu_local_of(CpuState& state) {
  return state.local;
}

Result<CpuState*> new_cpu_state(u32 index) {
  auto* state = new (std::nothrow) CpuState();
  if (!state) return Errno::kNoMem;
  state->local.self = &state->local;
  state->local.index = index;
  return state;
}

void cpu_init() {
  fill_gates();
  load_tables(boot_cpu);
  find_features();
  boot_cpu.local.self = &boot_cpu.local;
  set_registers();
}

void cpu_init_further(CpuState& state) {
  load_tables(state);
  set_registers();
}

}  // namespace vm

}  // namespace narwhal
