#include "process/out_of_memory.h"

#include "kernel/base/log.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/reclaim.h"
#include "process/exit.h"
#include "process/family.h"
#include "process/signals.h"

namespace narwhal {

namespace {

constexpr i32 kNeverKill = -1000;  // oom_score_adj
constexpr u64 kKiBPerPage = kPageSize / kKiB;
// A victim that is asleep in the kernel may take a while; one that holds on longer than this gets
// company.
constexpr u64 kVictimPatience = kNanosPerSecond;
constexpr u64 kRetryAfter = 2 * kNanosPerMilli;

// The process that is being killed, by number and start (numbers come back). One at a time, so that
// a single shortage does not kill everybody.
struct Victim {
  u32 pid = 0;
  u64 started_ns = 0;
  u64 deadline_ns = 0;
};
constinit Victim victim;

// Buffers of the network and the like come back by themselves: only a shortage that lasts kills.
constexpr u64 kShortagePatience = 50 * kNanosPerMilli;
constexpr u64 kShortageGap = 500 * kNanosPerMilli;
struct Shortage {
  u64 since_ns = 0;  // 0: there is none
  u64 seen_ns = 0;   // when a fault last found no memory
};
constinit Shortage shortage;

bool shortage_may_pass() {
  const u64 now = platform::monotonic_ns();
  if (shortage.since_ns == 0 || now - shortage.seen_ns > kShortageGap) shortage.since_ns = now;
  shortage.seen_ns = now;
  return now - shortage.since_ns < kShortagePatience;
}

Ref<Process> next_process(u32 after) {
  SpinGuard guard(thread_list_lock);
  Process* next = nullptr;
  pid_table::processes().for_each([&](Process& process) {
    if (process.pid() > after && !Family::zombie(process) && (!next || process.pid() < next->pid()))
      next = &process;
  });
  return Ref<Process>(next);
}

Ref<AddressSpace> memory_of(Process& process) {
  Ref<Task> task = find_task_of(process);
  return task ? task->memory_copy() : Ref<AddressSpace>();
}

struct Candidate {
  Ref<Process> process;
  Ref<AddressSpace> memory;
  i64 badness = 0;
};

Candidate find_worst() {
  Candidate worst;
  for (Ref<Process> process = next_process(0); process; process = next_process(process->pid())) {
    if (process->exiting()) continue;
    Ref<AddressSpace> memory = memory_of(*process);
    if (!memory) continue;
    const i64 badness = out_of_memory_badness(*process, *memory);
    if (badness > worst.badness) worst = {process, std::move(memory), badness};
  }
  return worst;
}

void report(const Candidate& worst) {
  const auto held = worst.memory->statistics();
  const auto all = memory_statistics();
  Ref<Task> task = find_task_of(*worst.process);
  LOG_ERROR("out of memory: " << all.free_frames * kKiBPerPage << " kB free of "
                              << all.total_frames * kKiBPerPage << " kB; files "
                              << all.object_frames * kKiBPerPage << " kB, programs "
                              << all.anonymous_frames * kKiBPerPage << " kB, kernel "
                              << (all.total_frames - all.free_frames - all.object_frames -
                                  all.anonymous_frames) *
                                     kKiBPerPage
                              << " kB");
  LOG_ERROR("out of memory: killed process "
            << worst.process->pid() << " (" << (task ? task->name() : std::string_view("?"))
            << "), total-vm:" << held.total * kKiBPerPage
            << "kB, anon-rss:" << held.resident_anonymous * kKiBPerPage
            << "kB, file-rss:" << held.resident_file * kKiBPerPage
            << "kB, pgtables:" << worst.memory->pmap().table_bytes() / kKiB
            << "kB, oom_score_adj:" << worst.process->oom_score_adjustment.load());
}

// Whoever shares the memory goes too: else it would stay in use (vfork(2), clone(2) with CLONE_VM).
void kill(const Candidate& worst) {
  for (Ref<Process> process = next_process(0); process; process = next_process(process->pid()))
    if (process == worst.process || memory_of(*process) == worst.memory)
      begin_group_exit(*process, killed_status(Signal::kKill, false));
}

bool victim_is_leaving() {
  if (victim.pid == 0) return false;
  Ref<Process> process = find_process(victim.pid);
  const bool there = process && process->start_time_ns() == victim.started_ns &&
                     !Family::zombie(*process) && memory_of(*process);
  if (!there) victim = {};
  return there && platform::monotonic_ns() < victim.deadline_ns;
}

bool kill_worst() {
  const Candidate worst = find_worst();
  if (!worst.process) return false;
  report(worst);
  victim = {worst.process->pid(), worst.process->start_time_ns(),
            platform::monotonic_ns() + kVictimPatience};
  kill(worst);
  shortage.since_ns = 0;
  return true;
}

void let_others_run() {
  prepare_to_sleep();
  static_cast<void>(sleep_until(platform::monotonic_ns() + kRetryAfter, Interruptible::kNo));
}

}  // namespace

i64 out_of_memory_badness(const Process& process, AddressSpace& memory) {
  const i64 adjustment = process.oom_score_adjustment.load();
  if (adjustment == kNeverKill) return 0;
  const auto held = memory.statistics();
  const i64 pages =
      i64(held.resident_anonymous + held.resident_file + memory.pmap().table_bytes() / kPageSize);
  const i64 badness = pages + adjustment * i64(memory_statistics().total_frames) / 1000;
  return badness > 0 ? badness : 1;
}

bool make_room_for_fault(Task& task) {
  if (task.process().exiting()) return false;
  if (reclaim_by_writing()) return true;
  if (!victim_is_leaving() && !shortage_may_pass() && !kill_worst()) {
    // Everybody else is protected, or leaving in vain.
    LOG_ERROR("out of memory, and nobody may be killed for it but process "
              << task.process().pid() << " (" << task.name() << "), which found none");
    begin_group_exit(task.process(), killed_status(Signal::kKill, false));
  }
  if (task.process().exiting()) return false;
  let_others_run();
  return true;
}

bool kill_largest_process() {
  return kill_worst();
}

}  // namespace narwhal
