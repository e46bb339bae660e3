#include "kernel/platform/context.h"

#include <cstring>

#include "kernel/platform/cpu_local.h"
#include "kernel/platform/process/cpu.h"
#include "kernel/platform/x86/fpu.h"

extern "C" {
void narwhal_context_switch(narwhal::KernelContext& from, narwhal::KernelContext& to);
void narwhal_context_start();
[[noreturn]] void narwhal_enter_user(narwhal::UserRegs& regs);
}

namespace narwhal {
namespace {

constexpr u64 kNonCanonical = u64{1} << 47;
// The selectors that Linux gives every 64-bit program (arch/x86/include/asm/segment.h): ours are
// the host's.
constexpr u64 kUserCode = 0x33, kUserData = 0x2b;
constexpr u64 kFlagInterruptEnable = 0x200, kFlagResume = 0x10000, kFlagTrap = 0x100,
              kFlagDirection = 0x400;

// The kernel does not use FS: the program's base stays there.
u64 read_fs() {
  u64 base;
  asm volatile("rdfsbase %0" : "=r"(base));
  return base;
}
void write_fs(u64 base) {
  asm volatile("wrfsbase %0" ::"r"(base));
}
u64& user_gs() {
  return cpu_local().user_gs_base;
}

}  // namespace

namespace platform {

void context_init(KernelContext& context, void* stack_top, void (*entry)(void*), void* argument) {
  // Below the program's registers, which stay at the top, what narwhal_context_switch pops: r15,
  // r14, r13, r12, rbx, rbp, and its return address.
  u64* frame = reinterpret_cast<u64*>(&user_regs_at(stack_top)) - 8;
  frame[0] = frame[1] = 0;
  frame[2] = reinterpret_cast<u64>(argument);  // r13
  frame[3] = reinterpret_cast<u64>(entry);     // r12
  frame[4] = frame[5] = 0;
  frame[6] = reinterpret_cast<u64>(&narwhal_context_start);
  context.stack_pointer = reinterpret_cast<u64>(frame);
}

void context_switch(KernelContext& from, KernelContext& to) {
  narwhal_context_switch(from, to);
}

void user_context_switch(UserContext* from, UserContext* to, void* kernel_stack_top) {
  if (from) {
    x86::fpu_save_for_switch(from->fpu_area);
    from->fs_base = read_fs();
    from->gs_base = user_gs();
  }
  if (to) {
    fpu_load(to->fpu_area);
    write_fs(to->fs_base);
    user_gs() = to->gs_base;
  }
  process_home::set_interrupt_stack(reinterpret_cast<u64>(kernel_stack_top));
}

void enter_user(UserRegs& regs) {
  narwhal_enter_user(regs);
}

void user_regs_init(UserRegs& regs, UserAddr rip, UserAddr rsp) {
  regs = {};
  regs.orig_rax = ~u64{0};
  regs.rip = rip.value;
  regs.cs = kUserCode;
  regs.rflags = kFlagInterruptEnable | 2;
  regs.rsp = rsp.value;
  regs.ss = kUserData;
}

void user_regs_sanitize(UserRegs& regs) {
  // What a program may choose: the arithmetic flags, direction, trap, resume, alignment check and
  // id.
  constexpr u64 kUserFlags = 0x0000'0000'0024'0dd5 | kFlagResume | kFlagTrap | kFlagDirection;
  regs.cs = kUserCode;
  regs.ss = kUserData;
  regs.rflags = (regs.rflags & kUserFlags) | kFlagInterruptEnable | 2;
  // iretq to an address that is not canonical would fault in the kernel: one that surely faults in
  // the program instead.
  if (regs.rip >= kNonCanonical) regs.rip = kNonCanonical - 1;
}

Result<> set_fs_base(u64 base) {
  if (base >= kUserEnd.value) return Errno::kPerm;
  write_fs(base);
  return {};
}
Result<> set_gs_base(u64 base) {
  if (base >= kUserEnd.value) return Errno::kPerm;
  user_gs() = base;
  return {};
}
// The host keeps the processor's to itself (README.md).
u32 debug_register_count() {
  return 0;
}
void debug_registers_load(const DebugRegisters&) {}
u64 fs_base() {
  return read_fs();
}
u64 gs_base() {
  return user_gs();
}

}  // namespace platform
}  // namespace narwhal
