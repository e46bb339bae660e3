#include "process/exec.h"

#include "process/core_settings.h"
#include "process/exit.h"
#include "process/family.h"
#include "process/futex.h"
#include "process/ptrace.h"
#include "process/signals.h"

namespace narwhal {
namespace {

constexpr u32 kRoot = 0;
constexpr u32 kKeepCapabilities = 1 << 4;  // SECBIT_KEEP_CAPS
constexpr u32 kNoRoot = 1 << 0;            // SECBIT_NOROOT

// All that can fail once the other tasks are gone.
Result<> change_over(Task& task, LoadedProgram& program) {
  Process& process = task.process();
  TRY(Family::reset_handlers(process));
  if (task.files_ref()->ref_count() > 1) task.set_files(TRY(task.files().copy()));
  const ExecutionIds ids{program.effective_uid, program.effective_gid};
  auto credentials = TRY(credentials_after_exec(task.credentials(), ids));
  const bool other_ids =
      credentials->euid != task.credentials().euid || credentials->egid != task.credentials().egid;
  process.dumpable.store(other_ids || credentials->euid != credentials->uid ||
                                 credentials->egid != credentials->gid
                             ? suid_dumpable()
                             : 1);
  if (other_ids) task.parent_death_signal = Signal::kNone;
  task.set_credentials(std::move(credentials));
  return {};
}

// What the old memory's users were promised for the end of the task.
void leave_old_memory(Task& task) {
  release_robust_futexes(task);
  if (task.clear_child_tid.value != 0 && task.memory_ref()->ref_count() > 1 &&
      store_user(task.clear_child_tid, u32{0}).ok())
    futex_wake(task, task.clear_child_tid, 1).ignore();
  task.clear_child_tid = task.rseq_area = UserAddr();
  task.rseq_length = task.rseq_signature = 0;
  task.restart = {};
  task.signals.alternate_stack = {0, abi::kStackDisable, 0, 0};
  Family::note_peak_memory(task.process(), task.memory().statistics().peak_resident);
}

void reset_registers(Task& task, const LoadedProgram& program) {
  platform::user_regs_init(task.user_regs(), program.entry, program.stack);
  platform::fpu_area_init(task.user_context()->fpu_area);
  platform::fpu_load(task.user_context()->fpu_area);
  platform::set_fs_base(0).ignore();
  platform::set_gs_base(0).ignore();
}

}  // namespace

Result<Ref<Credentials>> credentials_after_exec(const Credentials& before, ExecutionIds ids) {
  auto after = TRY(before.copy());
  const bool changed = ids.effective_uid != before.euid || ids.effective_gid != before.egid;
  after->euid = after->suid = after->fsuid = ids.effective_uid;
  after->egid = after->sgid = after->fsgid = ids.effective_gid;
  if (changed) after->ambient = 0;
  const bool root_counts = !(before.securebits & kNoRoot);
  const bool is_root = after->euid == kRoot || after->uid == kRoot;
  // There are no file capabilities; root's programs have them all.
  if (root_counts && is_root) {
    after->permitted = before.inheritable | before.bounding;
    after->effective = after->euid == kRoot ? after->permitted : after->ambient;
  } else {
    after->permitted = after->effective = after->ambient;
  }
  after->securebits &= ~kKeepCapabilities;
  return after;
}

Result<> enter_program(Task& task, LoadedProgram program) {
  const u32 old_tid = task.tid();
  TRY(Family::become_only_task(task));
  if (task.no_new_privileges) {
    program.effective_uid = task.credentials().euid;
    program.effective_gid = task.credentials().egid;
  }
  if (!change_over(task, program).ok()) exit_group(killed_status(Signal::kSegv, false));
  task.files().close_all_on_exec();
  task.process().timers.remove_posix_timers();
  task.process().membarrier_registrations.store(0);
  leave_old_memory(task);
  Process& process = task.process();
  if (task.thread_keyring || process.process_keyring) {
    Guard guard(keys::lock);
    task.thread_keyring = process.process_keyring = nullptr;
  }
  program.memory->set_limits(process.memory_limits());
  program.memory->allow_huge_pages(task.memory().huge_pages_allowed());
  program.memory->set_write_exec_rule(task.memory().inherited_write_exec_rule()).ignore();
  task.set_memory(std::move(program.memory));
  process.set_executable(std::move(program.executable), std::move(program.write_denial));
  task.set_name({program.name.data(), program.name.size()});
  Family::set_executed(process);
  reset_registers(task, program);
  ptrace::executed(task, old_tid);
  return {};
}

}  // namespace narwhal
