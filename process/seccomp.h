// Filters of system calls: seccomp(2).
//
// A task has its latest filter, and each filter the one before it; children share the chain. Every
// filter of it is asked about every call, and the strictest answer counts. Tasks without pay for
// none of it: one bit of their work word says whether they have (UserWork::kSeccomp).
#pragma once

#include "kernel/base/vector.h"
#include "process/bpf_filter.h"
#include "process/seccomp_questions.h"
#include "process/task.h"

namespace narwhal {

class SeccompFilter final : public RefCounted {
 public:
  // `questions`: whom SECCOMP_RET_USER_NOTIF asks; null: nobody.
  SeccompFilter(Vector<bpf::Instruction> program, Ref<SeccompFilter> previous,
                Ref<seccomp::Questions> questions, bool logs);
  ~SeccompFilter() override;

  std::span<const bpf::Instruction> program() const { return {program_.data(), program_.size()}; }
  SeccompFilter* previous() const { return previous_.get(); }
  seccomp::Questions* questions() const;
  bool logs() const { return logs_; }  // SECCOMP_FILTER_FLAG_LOG: kept and told
  // Whether `other` (null: none at all) is in the chain that ends here.
  bool descends_from(const SeccompFilter* other) const;

 private:
  void last_ref_dropped() override;  // long chains are taken apart without recursion
  Vector<bpf::Instruction> program_;
  Ref<SeccompFilter> previous_;
  const Ref<seccomp::Questions> questions_;
  const bool logs_;
};

namespace seccomp {

enum class Mode : u8 { kNone, kStrict, kFilter };  // PR_GET_SECCOMP

// SECCOMP_RET_*: the upper half of what a filter returns. As signed numbers, the lower the
// stricter.
inline constexpr u32 kKillProcess = 0x8000'0000;
inline constexpr u32 kKillThread = 0;
inline constexpr u32 kTrap = 0x0003'0000;
inline constexpr u32 kErrno = 0x0005'0000;
inline constexpr u32 kUserNotify = 0x7fc0'0000;
inline constexpr u32 kTrace = 0x7ff0'0000;
inline constexpr u32 kLog = 0x7ffc'0000;
inline constexpr u32 kAllow = 0x7fff'0000;
bool known_action(u32 action);

Mode mode_of(const Task& task);
usize filter_count(const Task& task);

// Before a call is made, by the current task. False: it is not, and the registers hold what the
// program finds. Does not return where the task must end.
bool allows(Task& task, UserRegs& regs);

// For good. EINVAL where there are filters.
Result<> be_strict(Task& task);
// One filter more; `synchronize`: for all threads of the process, which must have the filters of
// this one or some of them. The number of a thread that has others, or 0. EINVAL, ENOMEM.
struct Installation {
  bool synchronize = false;
  bool logs = false;
  Ref<Questions> questions;  // EBUSY where there are some already
};
Result<u32> install(Task& task, Vector<bpf::Instruction> program, const Installation& how);
// The filter of a task that was installed as the first, the second (1) and so on, counted from 0.
// EINVAL: it has none; ENOENT: not so many.
Result<Ref<SeccompFilter>> filter_at(const Task& task, u64 index);

}  // namespace seccomp
}  // namespace narwhal
