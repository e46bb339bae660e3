// The block of data that each CPU keeps for itself, and the flag that holds interrupts back.
//
// The vm and process homes reach the block through the GS base, the fake home through a plain
// global; the offsets of members that assembly knows are asserted where each home sets the block
// up.
#pragma once

#include "kernel/base/types.h"

namespace narwhal {

class Thread;

// As many as any home may have.
inline constexpr u32 kMaxCpus = 64;

struct CpuLocal {
  CpuLocal* self = nullptr;  // offset 0: lets C++ turn the GS base into a pointer
  u64 kernel_stack_top = 0;  // offset 8: where system calls and interrupts from user mode land
  u64 user_stack_scratch =
      0;  // offset 16: the program's rsp for the few instructions before it is saved
  Thread* current = nullptr;  // offset 24
  u32 index = 0;              // number of this CPU, from 0
  u32 interrupt_depth = 0;    // > 0 while an interrupt handler runs
  u32 spinlock_depth = 0;     // > 0 while a spinlock is held: sleeping is a bug then
  bool need_resched =
      false;  // a better thread became runnable; looked at on the way back to user mode
  // Process home: the program that runs must not read the time stamp counter.
  bool hides_time_stamp = false;
  u64 held_lock_ranks = 0;  // debug builds: bit per LockRank held by spinlocks on this CPU
  // Process home: signals stand for interrupts. While `interrupts_on` is 0, one that comes is only
  // noted in `interrupts_pending`, a bit for each kind. Offsets 56 and 60.
  u32 interrupts_on = 0;
  u32 interrupts_pending = 0;
  u64 user_gs_base = 0;  // offset 64; process home: the program's, while the kernel runs
  u64 user_fs_base = 0;  // offset 72; process home: the program's, as far as the kernel knows
};

#ifdef NARWHAL_FAKE_PLATFORM
extern CpuLocal fake_cpu_local;
inline CpuLocal& cpu_local() {
  return fake_cpu_local;
}
inline Thread* current_thread() {
  return fake_cpu_local.current;
}
#else
inline CpuLocal& cpu_local() {
  CpuLocal* cpu;
  asm volatile("movq %%gs:0, %0" : "=r"(cpu));
  return *cpu;
}
// Not volatile: within one thread the answer never changes, so the compiler may keep it.
inline Thread* current_thread() {
  Thread* thread;
  asm("movq %%gs:24, %0" : "=r"(thread));
  return thread;
}
#endif

namespace platform {

// Interrupts on this CPU. Disabling nests by saving the old state:  bool on =
// interrupts_save_disable(); ... interrupts_restore(on);
#ifdef NARWHAL_FAKE_PLATFORM
bool interrupts_save_disable();
void interrupts_restore(bool were_enabled);
bool interrupts_enabled();
#elif defined(NARWHAL_HOME_PROCESS)
// Runs the handlers of what was held back.
void take_pending_interrupts();
inline bool interrupts_enabled() {
  u32 on;
  asm volatile("movl %%gs:56, %0" : "=r"(on)::"memory");
  return on != 0;
}
inline bool interrupts_save_disable() {
  const bool were_enabled = interrupts_enabled();
  asm volatile("movl $0, %%gs:56" ::: "memory");
  return were_enabled;
}
inline void interrupts_restore(bool were_enabled) {
  if (!were_enabled) return;
  u32 pending;
  asm volatile("movl $1, %%gs:56\n\tmovl %%gs:60, %0" : "=r"(pending)::"memory");
  if (pending != 0) [[unlikely]]
    take_pending_interrupts();
}
#else
// Inline: every spinlock needs them, and a call costs more than what they do.
inline bool interrupts_enabled() {
  constexpr u64 kInterruptFlag = 1 << 9;
  u64 flags;
  asm volatile("pushfq\n\tpopq %0" : "=r"(flags)::"memory");
  return flags & kInterruptFlag;
}
inline bool interrupts_save_disable() {
  const bool were_enabled = interrupts_enabled();
  asm volatile("cli" ::: "memory");
  return were_enabled;
}
inline void interrupts_restore(bool were_enabled) {
  if (were_enabled) asm volatile("sti" ::: "memory");
}
#endif

}  // namespace platform

class InterruptGuard {
 public:
  InterruptGuard() : were_enabled_(platform::interrupts_save_disable()) {}
  ~InterruptGuard() { platform::interrupts_restore(were_enabled_); }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  bool were_enabled_;
};

}  // namespace narwhal
