#include "kernel/platform/context.h"

#include "kernel/platform/cpu_local.h"
#include "kernel/platform/process/cpu.h"
#include "kernel/platform/process/host_process.h"
#include "kernel/platform/x86/fpu.h"

namespace narwhal {
namespace {

// The kernel does not use FS: the program's base stays there.
u64 read_fs() {
  u64 base;
  asm volatile("rdfsbase %0" : "=r"(base));
  return base;
}
void write_fs(u64 base) {
  asm volatile("wrfsbase %0" ::"r"(base));
  cpu_local().user_fs_base = base;
}
u64& user_gs() {
  return cpu_local().user_gs_base;
}

}  // namespace

namespace platform {

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
    time_stamp_rule_load(*to);
  }
  process_home::set_interrupt_stack(reinterpret_cast<u64>(kernel_stack_top));
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
// The host hides it on the way back to the program (signals.cc).
void time_stamp_rule_load(const UserContext& user) {
  cpu_local().hides_time_stamp = user.hides_time_stamp;
  if (!user.hides_time_stamp) process_home::show_time_stamp();
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
