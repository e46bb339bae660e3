#include "syscalls/signal_target.h"

#include "process/family.h"
#include "process/process_list.h"
#include "process/signals.h"

namespace narwhal {
namespace {

constexpr u32 kFirstProcess = 1;

bool may_signal(const Credentials& sender, const Credentials& target) {
  return sender.euid == target.suid || sender.euid == target.uid || sender.uid == target.suid ||
         sender.uid == target.uid || sender.capable(Capability::kKill);
}

// `target` null: nobody is left who could object.
Result<> check(Task& sender, Process& process, const CredentialsRef& target, i32 signal) {
  if (signal != 0 && !is_signal(signal)) return Errno::kInval;
  if (&process == &sender.process() || !target || may_signal(sender.credentials(), *target))
    return {};
  // A shell may continue the jobs of its session whoever they belong to.
  if (signal == i32(Signal::kCont) && process.session_id() == sender.process().session_id())
    return {};
  return Errno::kPerm;
}

}  // namespace

Result<> send_checked(Task& sender, Process& process, i32 signal, const abi::SignalInfo& info) {
  const Ref<Task> any = find_task_of(process);
  TRY(check(sender, process, any ? any->credentials_copy() : CredentialsRef(), signal));
  if (signal == 0) return {};
  return send_signal(process, info);
}

Result<> send_checked(Task& sender, Task& task, i32 signal, const abi::SignalInfo& info) {
  TRY(check(sender, task.process(), task.credentials_copy(), signal));
  if (signal == 0) return {};
  return send_signal(task, info);
}

Ref<Process> find_signal_target(u32 pid) {
  if (Ref<Process> process = find_process(pid)) return process;
  const Ref<Task> task = find_task(pid);
  return task ? Ref<Process>(&task->process()) : Ref<Process>();
}

Result<> send_to_group(Task& sender, u32 group, i32 signal, const abi::SignalInfo& info) {
  const auto members =
      TRY(collect_processes([group](const Process& process) { return process.group_id() == group; }));
  // One that could be told is enough.
  Errno error = Errno::kSrch;
  bool any = false;
  for (const Ref<Process>& member : members) {
    if (auto sent = send_checked(sender, *member, signal, info); sent.ok())
      any = true;
    else
      error = sent.error();
  }
  if (any) return {};
  return error;
}

Result<> send_to_all(Task& sender, i32 signal, const abi::SignalInfo& info) {
  const Process* self = &sender.process();
  const auto others = TRY(collect_processes([self](const Process& process) {
    return process.pid() != kFirstProcess && &process != self;
  }));
  if (others.empty()) return Errno::kSrch;
  // Those that may not be told don't count.
  Errno error{};
  for (const Ref<Process>& other : others) {
    auto sent = send_checked(sender, *other, signal, info);
    if (!sent.failed(Errno::kPerm)) error = sent.error();
  }
  if (error != Errno{}) return error;
  return {};
}

}  // namespace narwhal
