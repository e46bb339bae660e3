#include "kernel/platform/context.h"

#include <cstring>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/arch/x86_64/msr.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/vm/cpu.h"
#include "kernel/platform/x86/fpu.h"

extern "C" {
void narwhal_context_switch(narwhal::KernelContext& from, narwhal::KernelContext& to);
void narwhal_context_start();
[[noreturn]] void narwhal_enter_user(narwhal::UserRegs& regs);
}

namespace narwhal {
namespace vm {
namespace {

constexpr u64 kNonCanonical = u64{1} << 47;

// The program's GS base is in the shadow register while the kernel runs.
u64 read_user_gs() {
  return x86::read_msr(x86::kMsrKernelGsBase);
}
void write_user_gs(u64 base) {
  x86::write_msr(x86::kMsrKernelGsBase, base);
}
u64 read_fs() {
  if (!cpu_features.fsgsbase) return x86::read_msr(x86::kMsrFsBase);
  u64 base;
  asm volatile("rdfsbase %0" : "=r"(base));
  return base;
}
void write_fs(u64 base) {
  if (cpu_features.fsgsbase)
    asm volatile("wrfsbase %0" ::"r"(base));
  else
    x86::write_msr(x86::kMsrFsBase, base);
}

}  // namespace
}  // namespace vm

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
    from->fs_base = vm::read_fs();
    from->gs_base = vm::read_user_gs();
    if (!to && from->debug.control != 0) [[unlikely]]
      debug_registers_load({});
  }
  if (to) {
    fpu_load(to->fpu_area);
    vm::write_fs(to->fs_base);
    if (!from || from->gs_base != to->gs_base) vm::write_user_gs(to->gs_base);
    if (to->debug.control != 0 || (from && from->debug.control != 0)) [[unlikely]]
      debug_registers_load(to->debug);
  }
  vm::set_interrupt_stack(reinterpret_cast<u64>(kernel_stack_top));
}

void enter_user(UserRegs& regs) {
  narwhal_enter_user(regs);
}

void user_regs_init(UserRegs& regs, UserAddr rip, UserAddr rsp) {
  regs = {};
  regs.orig_rax = ~u64{0};
  regs.rip = rip.value;
  regs.cs = x86::kUserCode;
  regs.rflags = x86::kFlagInterruptEnable | 2;
  regs.rsp = rsp.value;
  regs.ss = x86::kUserData;
}

void user_regs_sanitize(UserRegs& regs) {
  // What a program may choose: the arithmetic flags, direction, trap, resume, alignment check and
  // id.
  constexpr u64 kUserFlags =
      0x0000'0000'0024'0dd5 | x86::kFlagResume | x86::kFlagTrap | x86::kFlagDirection;
  regs.cs = x86::kUserCode;
  regs.ss = x86::kUserData;
  regs.rflags = (regs.rflags & kUserFlags) | x86::kFlagInterruptEnable | 2;
  // iretq to an address that is not canonical would fault in the kernel: one that surely faults in
  // the program instead.
  if (regs.rip >= vm::kNonCanonical) regs.rip = vm::kNonCanonical - 1;
}

Result<> set_fs_base(u64 base) {
  if (base >= kUserEnd.value) return Errno::kPerm;
  vm::write_fs(base);
  return {};
}
Result<> set_gs_base(u64 base) {
  if (base >= kUserEnd.value) return Errno::kPerm;
  vm::write_user_gs(base);
  return {};
}
u32 debug_register_count() {
  return 4;
}
void debug_registers_load(const DebugRegisters& debug) {
  // Which are watched, how, and how many bytes; not the traps on the registers themselves.
  constexpr u64 kControl = 0xffff'00ff, kFixed = 1 << 10;
  x86::write_dr7(kFixed);
  if ((debug.control & 0xff) == 0) return;
  x86::write_dr0(debug.address[0]);
  x86::write_dr1(debug.address[1]);
  x86::write_dr2(debug.address[2]);
  x86::write_dr3(debug.address[3]);
  x86::write_dr7((debug.control & kControl) | kFixed);
}
u64 fs_base() {
  return vm::read_fs();
}
u64 gs_base() {
  return vm::read_user_gs();
}

}  // namespace platform
}  // namespace narwhal
