#include "process/seccomp.h"

#include <cstring>

#include "kernel/abi/core.h"
#include "kernel/abi/ptrace.h"
#include "kernel/base/log.h"
#include "process/exit.h"
#include "process/family.h"
#include "process/ptrace.h"
#include "process/seccomp_listener.h"
#include "process/signals.h"

namespace narwhal {

SeccompFilter::SeccompFilter(Vector<bpf::Instruction> program, Ref<SeccompFilter> previous,
                             Ref<seccomp::Questions> questions, bool logs)
    : program_(std::move(program)),
      previous_(std::move(previous)),
      questions_(std::move(questions)),
      logs_(logs) {}

SeccompFilter::~SeccompFilter() {
  if (questions_) questions_->filter_gone();
}

seccomp::Questions* SeccompFilter::questions() const {
  return questions_.get();
}

bool SeccompFilter::descends_from(const SeccompFilter* other) const {
  if (!other) return true;
  for (const SeccompFilter* each = this; each; each = each->previous())
    if (each == other) return true;
  return false;
}

void SeccompFilter::last_ref_dropped() {
  SeccompFilter* each = this;
  for (;;) {
    SeccompFilter* before = each->previous_.release();
    delete each;
    if (!before || !before->drop_ref_is_last()) return;
    each = before;
  }
}

namespace seccomp {
namespace {

constexpr u32 kActionMask = 0xffff'0000, kDataMask = 0xffff;
constexpr i32 kCodeSeccomp = 1;  // SYS_SECCOMP

Data data_of(const UserRegs& regs) {
  return {i32(regs.orig_rax),
          abi::kAuditArchX86_64,
          regs.rip,
          {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9}};
}

struct Verdict {
  u32 answer = kAllow;
  const SeccompFilter* filter = nullptr;  // whose it is
};

// The latest filter is asked first, and of equal answers the first counts.
Verdict ask(const Task& task, const Data& data) {
  u32 words[sizeof data / sizeof(u32)];
  std::memcpy(words, &data, sizeof data);
  Verdict strictest;
  for (const SeccompFilter* each = task.seccomp_filter().get(); each; each = each->previous()) {
    const u32 answer = bpf::run(each->program(), words);
    if (i32(answer & kActionMask) < i32(strictest.answer & kActionMask)) strictest = {answer, each};
  }
  return strictest;
}

// Whoever listens says what becomes of the call.
bool ask_listener(Task& task, UserRegs& regs, const SeccompFilter& filter) {
  if (Questions* questions = filter.questions()) return questions->ask(task, regs, data_of(regs));
  regs.rax = u64(-i64(Errno::kNoSys));
  return false;
}

abi::SignalInfo signal_about(const UserRegs& regs, u32 answer) {
  abi::SignalInfo info{};
  info.number = i32(Signal::kSys);
  info.code = kCodeSeccomp;
  info.error = i32(answer & kDataMask);
  info.sys = {regs.rip, i32(regs.orig_rax), abi::kAuditArchX86_64};
  return info;
}

// As if the call had not been tried: the registers of the handler, or of the dump, tell which.
void send(Task& task, UserRegs& regs, u32 answer, bool deadly) {
  const abi::SignalInfo info = signal_about(regs, answer);
  regs.rax = regs.orig_rax;
  if (deadly) task.process().handlers().exchange(Signal::kSys, {});
  force_signal(task, info);
}

bool strictly_allowed(u64 number) {
  constexpr u64 kRead = 0, kWrite = 1, kExit = 60, kSignalReturn = 15;
  return number == kRead || number == kWrite || number == kExit || number == kSignalReturn;
}

bool ask_tracer(Task& task, UserRegs& regs, u32 answer);

bool obey(Task& task, UserRegs& regs, const Verdict& verdict, bool traced_before) {
  const u32 answer = verdict.answer;
  switch (answer & kActionMask) {
    case kAllow:
    case kLog:
      return true;
    case kErrno: {
      constexpr u32 kMostErrno = 4095;
      const u32 number = answer & kDataMask;
      regs.rax = u64(-i64(number < kMostErrno ? number : kMostErrno));
      return false;
    }
    case kTrap:
      send(task, regs, answer, false);
      return false;
    case kUserNotify:
      return ask_listener(task, regs, *verdict.filter);
    case kTrace:
      return traced_before || ask_tracer(task, regs, answer);
    case kKillThread:
      if (task.process().task_count() > 1) exit_task(killed_status(Signal::kSys, false));
      [[fallthrough]];
    default:
      send(task, regs, answer, true);
      return false;
  }
}

// The tracer may change the call, and the filters are asked about that one then.
bool ask_tracer(Task& task, UserRegs& regs, u32 answer) {
  regs.rax = u64(-i64(Errno::kNoSys));
  if (!ptrace::traced(task) || !ptrace::wants_seccomp(task)) return false;
  ptrace::event(task, ptrace::Event::kSeccomp, answer & kDataMask);
  if (task.process().exiting() || i64(regs.orig_rax) < 0) return false;
  return obey(task, regs, ask(task, data_of(regs)), true);
}

}  // namespace

bool known_action(u32 action) {
  switch (action) {
    case kKillProcess:
    case kKillThread:
    case kTrap:
    case kErrno:
    case kUserNotify:
    case kTrace:
    case kLog:
    case kAllow:
      return true;
    default:
      return false;
  }
}

Mode mode_of(const Task& task) {
  if (task.strict_calls) return Mode::kStrict;
  return task.seccomp_filter_copy() ? Mode::kFilter : Mode::kNone;
}

usize filter_count(const Task& task) {
  usize count = 0;
  const Ref<SeccompFilter> latest = task.seccomp_filter_copy();
  for (const SeccompFilter* each = latest.get(); each; each = each->previous()) ++count;
  return count;
}

Result<Ref<SeccompFilter>> filter_at(const Task& task, u64 index) {
  Ref<SeccompFilter> each = task.seccomp_filter_copy();
  if (!each) return Errno::kInval;
  const usize count = filter_count(task);
  if (index >= count) return Errno::kNoEnt;
  for (usize left = count - 1 - usize(index); left > 0; --left)
    each = Ref<SeccompFilter>(each->previous());
  return each;
}

bool allows(Task& task, UserRegs& regs) {
  if (ptrace::suspends_seccomp(task)) return true;
  if (task.strict_calls) {
    if (strictly_allowed(regs.orig_rax)) return true;
    exit_task(killed_status(Signal::kKill, false));
  }
  return obey(task, regs, ask(task, data_of(regs)), false);
}

Result<> be_strict(Task& task) {
  if (task.seccomp_filter()) return Errno::kInval;
  task.strict_calls = true;
  task.set_user_work(UserWork::kSeccomp);
  return {};
}

Result<u32> install(Task& task, Vector<bpf::Instruction> program, const Installation& how) {
  // All filters of a task together, and something for each.
  constexpr usize kMostTogether = 32768, kEach = 4;
  if (!bpf::valid({program.data(), program.size()}, sizeof(Data))) return Errno::kInval;
  if (task.strict_calls) return Errno::kInval;
  usize total = program.size();
  for (const SeccompFilter* each = task.seccomp_filter().get(); each; each = each->previous()) {
    total += each->program().size() + kEach;
    if (how.questions && each->questions()) return Errno::kBusy;
  }
  if (total > kMostTogether) return Errno::kNoMem;
  auto filter = TRY(
      make_ref<SeccompFilter>(std::move(program), task.seccomp_filter(), how.questions, how.logs));
  if (how.synchronize) {
    SpinGuard guard(thread_list_lock);
    u32 other = 0;
    Family::for_each_task(task.process(), [&](Task& each) {
      if (&each == &task || each.ending()) return;
      const Ref<SeccompFilter> its = each.seccomp_filter_copy();
      if (each.strict_calls || (its && !filter->descends_from(its.get()))) other = each.tid();
    });
    if (other != 0) return other;
    // What the others had is in the new chain, so nothing is destroyed here.
    Family::for_each_task(task.process(), [&](Task& each) {
      each.set_seccomp_filter(filter);
      each.set_user_work(UserWork::kSeccomp);
      if (task.no_new_privileges) each.no_new_privileges = true;
    });
    return u32{0};
  }
  task.set_seccomp_filter(std::move(filter));
  task.set_user_work(UserWork::kSeccomp);
  return u32{0};
}

}  // namespace seccomp
}  // namespace narwhal
