#include "process/rseq.h"

#include "process/signals.h"

namespace narwhal {
namespace {

constexpr UserAddr field(const Task& task, usize offset) {
  return task.rseq_area + offset;
}

bool in_program(u64 address) {
  return user_range_ok(UserAddr(address), 1);
}

// Linux's rules of a usable section, from kernel/rseq.c: EINVAL.
Result<> check(const Task& task, const RseqCriticalSection& section) {
  const u64 end = section.start + section.length;
  if (!in_program(section.start) || !in_program(end) || !in_program(section.abort))
    return Errno::kInval;
  if (section.version > 0 || end < section.start) return Errno::kInval;
  if (section.abort - section.start < section.length) return Errno::kInval;
  // The word before the abort address proves that it is meant to be one.
  const u32 signature = TRY(load_user<u32>(UserAddr(section.abort - sizeof(u32))));
  if (signature != task.rseq_signature) return Errno::kInval;
  return {};
}

Result<> abort_critical_section(Task& task, UserRegs& regs) {
  const UserAddr pointer = field(task, offsetof(RseqArea, critical_section));
  const u64 address = TRY(load_user<u64>(pointer));
  if (address == 0) return {};
  const auto section = TRY(load_user<RseqCriticalSection>(UserAddr(address)));
  TRY(check(task, section));
  if (regs.rip - section.start < section.length) {
    // Flags that once kept a section from being restarted are no longer allowed.
    const u32 area_flags = TRY(load_user<u32>(field(task, offsetof(RseqArea, flags))));
    if (area_flags != 0 || section.flags != 0) return Errno::kInval;
    regs.rip = section.abort;
  }
  return store_user(pointer, u64{0});
}

}  // namespace

Result<> rseq_store_cpu(Task& task) {
  TRY(store_user(field(task, offsetof(RseqArea, cpu_id_start)), task.cpu()));
  TRY(store_user(field(task, offsetof(RseqArea, cpu_id)), task.cpu()));
  TRY(store_user(field(task, offsetof(RseqArea, node_id)), u32{0}));
  return store_user(field(task, offsetof(RseqArea, concurrency_id)), task.cpu());
}

Result<> rseq_store_none(Task& task) {
  TRY(store_user(field(task, offsetof(RseqArea, cpu_id_start)), u32{0}));
  TRY(store_user(field(task, offsetof(RseqArea, cpu_id)), kRseqUninitialized));
  TRY(store_user(field(task, offsetof(RseqArea, node_id)), u32{0}));
  return store_user(field(task, offsetof(RseqArea, concurrency_id)), u32{0});
}

void rseq_resume(Task& task, UserRegs& regs) {
  if (task.rseq_area.value == 0 || task.ending()) return;
  if (abort_critical_section(task, regs).ok() && rseq_store_cpu(task).ok()) return;
  force_signal(task, kernel_signal(Signal::kSegv));
}

}  // namespace narwhal
