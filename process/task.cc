#include "process/task.h"

#include "process/family.h"
#include "process/seccomp.h"

namespace narwhal {

Task::Task(std::string_view name) : Thread(name) {}

Task::~Task() {
  ::operator delete(user_.fpu_area, std::align_val_t(64));
}

void Task::set_seccomp_filter(Ref<SeccompFilter> filter) {
  replace(seccomp_filter_, std::move(filter));
}
Ref<SeccompFilter> Task::seccomp_filter_copy() const {
  return copy_of(seccomp_filter_);
}

void Task::set_memory(Ref<AddressSpace> memory) {
  memory->pmap().activate();
  pmap_ = &memory->pmap();
  replace(memory_, std::move(memory));
  if (auto vfork = std::move(vfork_)) vfork->complete();
}

void Task::save_user_state() {
  platform::fpu_save(user_.fpu_area);
  user_.fs_base = platform::fs_base();
  user_.gs_base = platform::gs_base();
}

void Task::clear_debug_registers() {
  if (user_.debug.control == 0 && user_.debug.status == 0) return;
  InterruptGuard guard;
  user_.debug = {};
  platform::debug_registers_load(user_.debug);
}

void Task::hide_time_stamp(bool hide) {
  InterruptGuard guard;
  user_.hides_time_stamp = hide;
  platform::time_stamp_rule_load(user_);
}

void Task::begin_ending() {
  ending_.store(true, Order::kRelease);
  clear_interrupt();
  clear_user_work(UserWork::kExit | UserWork::kSignal);
}

void Task::release_resources() {
  Family::note_peak_memory(*process_, memory_->statistics().peak_resident);
  // The scheduler must not come back to page tables that may be gone.
  pmap_ = nullptr;
  replace(memory_, Ref<AddressSpace>());
  if (auto vfork = std::move(vfork_)) vfork->complete();
  if (semaphore_undo_) semaphore_undo_->set_owner(process_->pid());
  set_semaphore_undo(nullptr);
  set_files(nullptr);
  set_fs(nullptr);
  set_seccomp_filter(nullptr);
  if (process_->task_count() == 1) process_->set_executable({}, nullptr);
}

}  // namespace narwhal
