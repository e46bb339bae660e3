#include "process/proc/subject.h"

#include "process/access.h"

namespace narwhal {

bool ProcSubject::inspectable() const {
  return task && may_inspect(current_task(), *task, true);
}

Result<ProcTarget> ProcTarget::of_process(u32 pid) {
  auto process = find_process(pid);
  if (!process) return Errno::kNoEnt;
  return ProcTarget{pid, 0, process->start_time_ns()};
}

Result<ProcTarget> ProcTarget::of_task(u32 pid, u32 tid) {
  auto task = find_task(tid);
  if (!task || task->process().pid() != pid) return Errno::kNoEnt;
  return ProcTarget{pid, tid, task->start_time_ns};
}

Result<ProcSubject> ProcTarget::resolve() const {
  ProcSubject subject;
  if (tid == 0) {
    subject.process = find_process(pid);
    if (!subject.process || subject.process->start_time_ns() != started_ns) return Errno::kSrch;
    subject.task = find_task_of(*subject.process);
    return subject;
  }
  subject.of_task = true;
  subject.task = find_task(tid);
  if (!subject.task || subject.task->start_time_ns != started_ns) return Errno::kSrch;
  subject.process = Ref<Process>(&subject.task->process());
  return subject;
}

u32 parse_number(std::string_view name) {
  if (name.empty() || name[0] == '0') return 0;
  u64 value = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return 0;
    value = value * 10 + u64(c - '0');
    if (value > 0x7fff'ffff) return 0;
  }
  return u32(value);
}

}  // namespace narwhal
