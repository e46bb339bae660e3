#include "syscalls/dispatch.h"

#include "kernel/base/log.h"
#include "kernel/platform/upcalls.h"
#include "process/ptrace.h"
#include "process/seccomp.h"
#include "process/task.h"

namespace narwhal {
namespace {

constexpr usize kMaxCalls = 512;
constexpr usize kRecentCalls = 16;

struct RecentCall {
  u32 number;
  u32 tid;
  i64 result;
};

// Counters and the ring of recent calls are written without locks: a lost count on several CPUs
// does no harm, and the path of every system call runs through here.
constinit u64 call_counts[kMaxCalls] = {};
constinit RecentCall recent_calls[kRecentCalls] = {};
constinit u32 recent_next = 0;
constinit u64 missing_seen[kMaxCalls / 64] = {};

constinit MissingCallReporter missing_call_reporter = nullptr;
constinit TraceWriter trace_writer = nullptr;

void report_missing(u32 number) {
  u64& word = missing_seen[number / 64];
  if (word >> (number % 64) & 1) return;
  word |= u64{1} << (number % 64);
  const SyscallInfo& info = syscall_table()[number];
  LOG_WARN("system call " << info.name << " (" << number << ") is not implemented: ENOSYS");
  if (missing_call_reporter) missing_call_reporter(info.name, number);
}

void print_result(TextSink& out, const SysResult& result) {
  if (result.ok()) {
    i64 value = result.value();
    if (value > 0xffffffff)
      out << hex(u64(value));  // an address
    else
      out << value;
  } else {
    out << "-1 " << result.error();
  }
}

// Calls from which control may not come back to this point with the same meaning: shown before they
// run.
bool may_not_return(u32 number) {
  constexpr u32 kExit = 60, kExitGroup = 231, kRtSigreturn = 15;
  return number == kExit || number == kExitGroup || number == kRtSigreturn;
}

// Apart from make_call(), whose frame it would make large.
[[gnu::noinline]] SysResult traced_call(Task& task, const UserRegs& regs, u32 number,
                                        SyscallFunction function) {
  const SyscallInfo& info = syscall_table()[number];
  Text<640> line;
  line << '[' << task.tid() << "] " << info.name << '(';
  print_arguments(line, info, syscall_args(regs));
  line << ')';
  if (may_not_return(number)) {
    line << " = ?\n";
    if (trace_writer) trace_writer(line.view());
    return function(task, regs);
  }
  SysResult result = function(task, regs);
  line << " = ";
  print_result(line, result);
  line << '\n';
  if (trace_writer) trace_writer(line.view());
  return result;
}

// Tracers and filters, in this order (seccomp(2)): whether the call is to be made at all.
[[gnu::noinline]] bool passes(Task& task, UserRegs& regs) {
  if (ptrace::traced(task)) {
    ptrace::syscall_entry(task, regs);
    if (i64(regs.orig_rax) < 0) return false;
  }
  return !has(task.user_work(), UserWork::kSeccomp) || seccomp::allows(task, regs);
}

void make_call(Task& task, UserRegs& regs) {
  const std::span<const SyscallFunction> functions = syscall_functions;
  if (has(task.user_work(), UserWork::kTraced | UserWork::kSeccomp)) [[unlikely]] {
    if (!passes(task, regs)) return;
  }
  const u64 number = regs.orig_rax;
  if (number >= functions.size()) [[unlikely]] {
    regs.rax = u64(-i64(Errno::kNoSys));
    return;
  }
  ++call_counts[number];
  const bool traced = has(task.user_work(), UserWork::kTrace);
  const SysResult result = traced ? traced_call(task, regs, u32(number), functions[number])
                                  : functions[number](task, regs);
  // Noted when it is over: a call that sleeps must not write into a slot that others have taken since.
  const i64 value = result.ok() ? result.value() : -i64(result.error());
  recent_calls[recent_next++ % kRecentCalls] = {u32(number), task.tid(), value};
  regs.rax = u64(value);
  if (result.ok()) [[likely]]
    return;
  const Errno error = result.error();
  if (error == Errno::kNoSys && syscall_table()[number].support == Support::kNone)
    report_missing(u32(number));
  // A restart code never reaches the program: the way back looks at it and restarts the call or turns it into EINTR.
  if (error >= Errno::kRestartSys) task.set_user_work(UserWork::kSignal);
}

}  // namespace

void set_missing_call_reporter(MissingCallReporter reporter) {
  missing_call_reporter = reporter;
}
void set_trace_writer(TraceWriter writer) {
  trace_writer = writer;
}

u64 syscall_count(u32 number) {
  return number < kMaxCalls ? call_counts[number] : 0;
}

void print_recent_calls(void (*line)(std::string_view text)) {
  for (usize i = 1; i <= kRecentCalls; ++i) {
    const RecentCall& call = recent_calls[(recent_next - i) % kRecentCalls];
    if (call.tid == 0) continue;
    Text<128> text;
    text << "  [" << call.tid << "] " << syscall_table()[call.number].name << " = " << call.result;
    line(text.view());
  }
}

// Interrupts go off before the last look, so that what an interrupt asks for after it is seen on its own way out.
bool upcall::on_syscall(UserRegs& regs) {
  Task& task = current_task();
  make_call(task, regs);
  if (ptrace::traced(task)) [[unlikely]]
    ptrace::syscall_exit(task, regs);
  platform::interrupts_save_disable();
  // Tracing and filters alone need nothing on the way back.
  constexpr UserWork kNoReason = UserWork::kTrace | UserWork::kSeccomp;
  return (task.user_work() & ~kNoReason) != UserWork::kNone || cpu_local().need_resched;
}

}  // namespace narwhal
