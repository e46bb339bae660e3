// For tests of lower rooms, where nobody defines what a home calls. Whatever is defined elsewhere
// comes first.
#include "kernel/platform/upcalls.h"

namespace narwhal::upcall {

[[gnu::weak]] bool on_syscall(UserRegs& regs) {
  regs.rax = u64(-i64(Errno::kNoSys));
  return false;
}
[[gnu::weak]] void on_return_to_user(UserRegs&) {}
[[gnu::weak]] bool on_page_fault(const PageFault&, UserRegs*) {
  return false;
}
[[gnu::weak]] void on_user_trap(const UserTrap&, UserRegs&) {}
[[gnu::weak]] bool on_caught_call(const UserRegs&) {
  return false;
}
[[gnu::weak]] StubPlace leave_stub(UserRegs&) {
  return StubPlace::kOutside;
}
[[gnu::weak]] void undo_call(const UserRegs&) {}
[[gnu::weak]] void on_timer(bool) {}
[[gnu::weak]] void on_cpu_started() {
  __builtin_trap();
}
[[gnu::weak]] void on_panic(const char*) {}

}  // namespace narwhal::upcall
