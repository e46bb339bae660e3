// Restartable sequences, rseq(2): a thread that was preempted or got a signal inside one of its
// short critical sections goes on at that section's abort address, and always finds the number of
// its CPU in memory.
#pragma once

#include "process/task.h"

namespace narwhal {

// struct rseq as registered (Linux's include/uapi/linux/rseq.h); aligned to its size.
struct RseqArea {
  u32 cpu_id_start;
  u32 cpu_id;
  u64 critical_section;  // address of a RseqCriticalSection, or 0
  u32 flags;
  u32 node_id;
  u32 concurrency_id;
  u32 padding;
};
static_assert(sizeof(RseqArea) == 32);

struct RseqCriticalSection {
  u32 version;
  u32 flags;
  u64 start;
  u64 length;  // post_commit_offset
  u64 abort;
};
inline constexpr u32 kRseqUninitialized = ~u32{0};  // cpu_id of a thread that is not registered

// To be called on the way back to the program, with interrupts enabled, when the thread was away
// from its CPU (UserWork::kNotifyResume), and before a signal handler's frame is made. Moves
// regs.rip to the abort address if the program was inside a critical section, and writes where it
// runs. An area or a section that can't be used is the program's death by SIGSEGV, as on Linux.
void rseq_resume(Task& task, UserRegs& regs);

// Writes where the thread runs. EFAULT.
Result<> rseq_store_cpu(Task& task);
// As before registration. EFAULT.
Result<> rseq_store_none(Task& task);

}  // namespace narwhal
