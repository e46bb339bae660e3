#include "kernel/sched/thread.h"

#include <cstring>

namespace narwhal {

Thread::~Thread() {
  DEBUG_ASSERT(!active_);
  if (stack_) free_kernel_stack(stack_);
}

Result<> Thread::allocate_stack() {
  stack_ = TRY(allocate_kernel_stack());
  return {};
}

void Thread::set_name(std::string_view name) {
  const usize length = name.size() < sizeof name_ - 1 ? name.size() : sizeof name_ - 1;
  std::memcpy(name_, name.data(), length);
  std::memset(name_ + length, 0, sizeof name_ - length);
}

void Thread::interrupt() {
  interrupted_.store(true);
  wake_thread(*this);
}

// --- CPU time

u64 Thread::system_time_ns() const {
  const u64 total = cpu_time_ns();
  const u64 ticks = user_ticks_ + system_ticks_;
  // total * system_ticks / ticks, without overflow.
  u64 system = 0;
  if (ticks != 0) system = total / ticks * system_ticks_ + total % ticks * system_ticks_ / ticks;
  // Samples may shift the share; what was reported stays.
  if (system < reported_system_ns_) system = reported_system_ns_;
  if (total - system < reported_user_ns_) system = total - reported_user_ns_;
  reported_system_ns_ = system;
  return system;
}

u64 Thread::user_time_ns() const {
  const u64 system = system_time_ns();
  const u64 total = cpu_time_ns();
  const u64 user = total - system;
  if (user > reported_user_ns_) reported_user_ns_ = user;
  return reported_user_ns_;
}

// --- threads of the kernel's own

namespace {

class KernelThread final : public Thread {
 public:
  explicit KernelThread(std::string_view name) : Thread(name) {}
};

}  // namespace

Result<Ref<Thread>> start_kernel_thread(std::string_view name, void (*entry)(void*),
                                        void* argument) {
  auto thread = TRY(make_ref<KernelThread>(name));
  TRY(thread->allocate_stack());
  thread->start(entry, argument);
  return Ref<Thread>(std::move(thread));
}

}  // namespace narwhal
