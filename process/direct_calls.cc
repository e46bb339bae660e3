// System calls that became direct calls, as the home asks about them.
#include "kernel/platform/upcalls.h"
#include "process/ptrace.h"
#include "process/task.h"

namespace narwhal {

bool upcall::on_caught_call(const UserRegs& regs) {
  Task& task = current_task();
  // Who steers a program knows it by its code.
  if (ptrace::traced(task)) {
    task.memory().keep_calls();
    return false;
  }
  return task.memory().note_caught_call(UserAddr(regs.rip - rewrite::kCallSize), regs.orig_rax);
}

upcall::StubPlace upcall::leave_stub(UserRegs& regs) {
  bool begun;
  const rewrite::Site* site = current_task().memory().stub_at(UserAddr(regs.rip), begun);
  if (!site) return StubPlace::kOutside;
  if (!begun && !site->is_number()) {
    regs.rip = site->at;
    return StubPlace::kBefore;
  }
  // A number is loaded at once: who steps through the program sees one step go over it.
  if (site->is_number()) regs.rax = site->number();
  regs.rip = site->call();
  return StubPlace::kBehind;
}

void upcall::undo_call(const UserRegs& regs) {
  current_task().memory().undo_call(UserAddr(regs.rip));
}

}  // namespace narwhal
