#include "kernel/platform/context.h"

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/arch/x86_64/msr.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/vm/cpu.h"
#include "kernel/platform/x86/fpu.h"

namespace narwhal {
namespace vm {
namespace {

// The program's GS base is in the shadow register while the kernel runs.
u64 read_user_gs() {
  return x86::read_msr(x86::kMsrKernelGsBase);
}
void write_user_gs(u64 base) {
  x86::write_msr(x86::kMsrKernelGsBase, base);
}
// What each CPU's CR4 says; the kernel itself may always read it.
constinit bool time_stamp_hidden[kMaxCpus] = {};

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
    time_stamp_rule_load(*to);
  }
  vm::set_interrupt_stack(reinterpret_cast<u64>(kernel_stack_top));
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
void time_stamp_rule_load(const UserContext& user) {
  bool& hidden = vm::time_stamp_hidden[cpu_local().index];
  if (hidden == user.hides_time_stamp) [[likely]]
    return;
  hidden = user.hides_time_stamp;
  const u64 others = x86::read_cr4() & ~x86::kCr4TimeStampDisable;
  x86::write_cr4(hidden ? others | x86::kCr4TimeStampDisable : others);
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
