// status, stat, statm, sched, schedstat: what a process or task is doing.
#include "fs/tty/terminal.h"
#include "kernel/abi/resource.h"
#include "kernel/platform/machine.h"
#include "process/family.h"
#include "process/proc/file_kinds.h"
#include "process/seccomp.h"
#include "process/signals.h"

namespace narwhal {
namespace {

constexpr u64 kTickNs = 10'000'000;  // USER_HZ
constexpr u64 kKiBPerPage = kPageSize / kKiB;

struct State {
  char letter;
  std::string_view name;
};

u32 tracer_of(const ProcSubject& subject) {
  SpinGuard guard(thread_list_lock);
  const Process* tracer = subject.task ? subject.task->trace.tracer : nullptr;
  return tracer ? tracer->pid() : 0;
}

State state_of(const ProcSubject& subject) {
  if (!subject.task || Family::zombie(*subject.process)) return {'Z', "zombie"};
  if (subject.task->trace.stopped.load()) return {'t', "tracing stop"};
  if (subject.process->stopped()) return {'T', "stopped"};
  if (subject.task->state() == ThreadState::kSleeping) return {'S', "sleeping"};
  return {'R', "running"};
}

std::string_view name_of(const ProcSubject& subject) {
  return subject.task ? std::string_view(subject.task->name())
                      : Family::ended_name(*subject.process);
}

u32 id_of(const ProcSubject& subject) {
  return subject.of_task ? subject.task->tid() : subject.process->pid();
}

// One mask of 64 signals for each thing that a program may have asked for.
struct Masks {
  SignalSet pending, shared_pending, blocked, ignored, caught;
};

Masks masks_of(const ProcSubject& subject) {
  Masks masks;
  Process& process = *subject.process;
  {
    SpinGuard guard(process.signal_lock);
    masks.shared_pending = process.pending_signals.set;
    if (subject.task) {
      masks.pending = subject.task->signals.pending.set;
      masks.blocked = subject.task->signals.blocked;
    }
  }
  if (!subject.task) return masks;
  SpinGuard guard(thread_list_lock);  // execve(2) may give it other handlers
  for (i32 number = 1; number <= i32(Signal::kMax); ++number) {
    const u64 handler = process.handlers().get(Signal(number)).handler;
    if (handler == abi::kSignalIgnore)
      masks.ignored.add(Signal(number));
    else if (handler != abi::kSignalDefault)
      masks.caught.add(Signal(number));
  }
  return masks;
}

ResourceUsage usage_of(const ProcSubject& subject) {
  if (!subject.of_task) return subject.process->usage();
  ResourceUsage usage;
  usage.add(*subject.task);
  return usage;
}

// --- status

void show_ids(TextSink& out, std::string_view name, u32 a, u32 b, u32 c, u32 d) {
  out << name << ":\t" << a << '\t' << b << '\t' << c << '\t' << d << '\n';
}

void show_memory(const ProcSubject& subject, TextSink& out) {
  auto memory = subject.memory();
  if (!memory) return;
  const auto s = memory->statistics();
  const u64 resident = s.resident_anonymous + s.resident_file;
  const auto& layout = memory->layout;
  const u64 code =
      (align_up(layout.code_end.value, kPageSize) - layout.code_start.page().value) / kPageSize;
  const u64 libraries = s.executable > code ? s.executable - code : 0;
  const struct {
    std::string_view name;
    u64 kib;
  } lines[] = {
      {"VmPeak", s.peak_total * kKiBPerPage},
      {"VmSize", s.total * kKiBPerPage},
      {"VmLck", s.locked * kKiBPerPage},
      {"VmPin", 0},
      {"VmHWM", (s.peak_resident > resident ? s.peak_resident : resident) * kKiBPerPage},
      {"VmRSS", resident * kKiBPerPage},
      {"RssAnon", s.resident_anonymous * kKiBPerPage},
      {"RssFile", s.resident_file * kKiBPerPage},
      {"RssShmem", 0},
      {"VmData", s.data * kKiBPerPage},
      {"VmStk", s.stack * kKiBPerPage},
      {"VmExe", code * kKiBPerPage},
      {"VmLib", libraries * kKiBPerPage},
      {"VmPTE", memory->pmap().table_bytes() / kKiB},
      {"VmSwap", 0},
      {"HugetlbPages", 0},
  };
  for (const auto& line : lines) out << line.name << ":\t" << padded(line.kib, 8) << " kB\n";
  out << "CoreDumping:\t" << u32(subject.process->dumping())
      << "\nTHP_enabled:\t0\nuntag_mask:\t0xffffffffffffffff\n";
}

void show_mask(TextSink& out, std::string_view name, u64 bits) {
  out << name << ":\t" << hex_digits(bits, 16) << '\n';
}

void show_cpus(TextSink& out) {
  const u32 cpus = platform::cpu_count();
  out << "Cpus_allowed:\t" << hex_digits((u64{1} << cpus) - 1, 1) << "\nCpus_allowed_list:\t0";
  if (cpus > 1) out << '-' << cpus - 1;
  out << "\nMems_allowed:\t1\nMems_allowed_list:\t0\n";
}

Result<> show_status(const ProcSubject& subject, TextSink& out) {
  Process& process = *subject.process;
  const Task* task = subject.task.get();
  const State state = state_of(subject);
  out << "Name:\t";
  for (const char c : name_of(subject)) {
    if (c == '\n')
      out << "\\n";
    else if (c == '\\')
      out << "\\\\";
    else
      out << c;
  }
  out << '\n';
  if (auto fs = subject.fs()) {
    out << "Umask:\t0";
    const u32 mask = fs->umask();
    out << char('0' + (mask >> 6 & 7)) << char('0' + (mask >> 3 & 7)) << char('0' + (mask & 7))
        << '\n';
  }
  out << "State:\t" << state.letter << " (" << state.name << ")\nTgid:\t" << process.pid()
      << "\nNgid:\t0\nPid:\t" << id_of(subject) << "\nPPid:\t" << process.parent_pid()
      << "\nTracerPid:\t" << tracer_of(subject) << '\n';
  const CredentialsRef who = task ? task->credentials_copy() : nullptr;
  const u32 ended_uid = Family::ended_uid(process);
  if (who) {
    show_ids(out, "Uid", who->uid, who->euid, who->suid, who->fsuid);
    show_ids(out, "Gid", who->gid, who->egid, who->sgid, who->fsgid);
  } else {
    show_ids(out, "Uid", ended_uid, ended_uid, ended_uid, ended_uid);
    show_ids(out, "Gid", 0, 0, 0, 0);
  }
  usize slots = 0;
  if (auto files = subject.files()) {
    slots = 64;
    for (int fd = files->next_open(0); fd >= 0; fd = files->next_open(fd + 1))
      while (usize(fd) >= slots) slots *= 2;
  }
  out << "FDSize:\t" << slots << "\nGroups:\t";
  const char* separator = "";
  if (who)
    for (const u32 group : who->groups) {
      out << separator << group;
      separator = " ";
    }
  out << " \nNStgid:\t" << process.pid() << "\nNSpid:\t" << id_of(subject) << "\nNSpgid:\t"
      << process.group_id() << "\nNSsid:\t" << process.session_id() << "\nKthread:\t0\n";
  show_memory(subject, out);
  const Masks masks = masks_of(subject);
  out << "Threads:\t" << process.task_count() << "\nSigQ:\t" << process.queued_signals.load() << '/'
      << process.soft_limit(abi::kLimitPendingSignals) << '\n';
  show_mask(out, "SigPnd", masks.pending.bits);
  show_mask(out, "ShdPnd", masks.shared_pending.bits);
  show_mask(out, "SigBlk", masks.blocked.bits);
  show_mask(out, "SigIgn", masks.ignored.bits);
  show_mask(out, "SigCgt", masks.caught.bits);
  show_mask(out, "CapInh", who ? who->inheritable : 0);
  show_mask(out, "CapPrm", who ? who->permitted : 0);
  show_mask(out, "CapEff", who ? who->effective : 0);
  show_mask(out, "CapBnd", who ? who->bounding : 0);
  show_mask(out, "CapAmb", who ? who->ambient : 0);
  out << "NoNewPrivs:\t" << (task && task->no_new_privileges ? 1 : 0) << "\nSeccomp:\t"
      << u32(task ? seccomp::mode_of(*task) : seccomp::Mode::kNone) << "\nSeccomp_filters:\t"
      << (task ? seccomp::filter_count(*task) : 0)
      << "\nSpeculation_Store_Bypass:\tvulnerable\n"
         "SpeculationIndirectBranch:\talways enabled\n";
  show_cpus(out);
  const ResourceUsage usage = usage_of(subject);
  out << "voluntary_ctxt_switches:\t" << usage.voluntary_switches
      << "\nnonvoluntary_ctxt_switches:\t" << usage.involuntary_switches << '\n';
  return {};
}

// --- stat, statm

// Linux's rule: nice processes from 0 to 39, real-time ones below 0.
i64 priority_of(const Task& task) {
  constexpr i32 kFifo = 1, kRoundRobin = 2;
  if (task.policy == kFifo || task.policy == kRoundRobin) return -1 - i64(task.real_time_priority);
  return 20 + i64(task.nice);
}

Result<> show_stat(const ProcSubject& subject, TextSink& out) {
  Process& process = *subject.process;
  const Task* task = subject.task.get();
  const bool permitted = subject.inspectable();
  constexpr u32 kForkNoExecute = 0x40, kRandomize = 0x400000;  // PF_*
  const ResourceUsage usage = usage_of(subject), children = process.children_usage();
  const Masks masks = masks_of(subject);
  AddressSpace::Layout layout{};
  AddressSpace::Statistics memory{};
  if (auto space = subject.memory()) {
    memory = space->statistics();
    if (permitted)
      layout = space->layout;
    else
      layout.code_start = layout.code_end = UserAddr(1);
  }
  const State state = state_of(subject);
  Ref<Terminal> terminal;
  if (!process.left_terminal.load(Order::kRelaxed))
    terminal = Terminal::of_session(process.session_id());
  out << id_of(subject) << " (" << name_of(subject) << ") " << state.letter << ' '
      << process.parent_pid() << ' ' << process.group_id() << ' ' << process.session_id() << ' '
      << (terminal ? u32(terminal->device()) : 0) << ' '
      << (terminal ? i32(terminal->foreground_group()) : -1) << ' '
      << (kRandomize | (Family::executed(process) ? 0 : kForkNoExecute)) << ' '
      << usage.minor_faults << ' ' << children.minor_faults << " 0 0 " << usage.user_ns / kTickNs
      << ' ' << usage.system_ns / kTickNs << ' ' << children.user_ns / kTickNs << ' '
      << children.system_ns / kTickNs << ' ' << (task ? priority_of(*task) : 20) << ' '
      << (task ? i32(task->nice) : 0) << ' ' << process.task_count() << " 0 "
      << (subject.of_task ? task->start_time_ns : process.start_time_ns()) / kTickNs << ' '
      << memory.total * kPageSize << ' ' << memory.resident_anonymous + memory.resident_file << ' '
      << process.soft_limit(abi::kLimitResidentSet) << ' ' << layout.code_start.value << ' '
      << layout.code_end.value << ' ' << layout.stack_start.value << " 0 0";
  constexpr u64 kFirst31 = 0x7fff'ffff;
  for (const SignalSet set : {masks.pending, masks.blocked, masks.ignored, masks.caught})
    out << ' ' << (set.bits & kFirst31);
  out << ' ' << (permitted && state.letter == 'S' ? 1 : 0) << " 0 0 "
      << (subject.of_task && !task->is_leader() ? -1 : i32(Family::exit_signal(process))) << ' '
      << (task ? task->cpu() : 0) << ' ' << (task ? task->real_time_priority : 0) << ' '
      << (task ? task->policy : 0) << " 0 0 0 " << layout.data_start.value << ' '
      << layout.data_end.value << ' ' << layout.heap_start.value << ' ' << layout.args_start.value
      << ' ' << layout.args_end.value << ' ' << layout.env_start.value << ' '
      << layout.env_end.value << ' ' << (Family::zombie(process) ? Family::wait_status(process) : 0)
      << '\n';
  return {};
}

Result<> show_statm(const ProcSubject& subject, TextSink& out) {
  auto memory = subject.memory();
  if (!memory) {
    out << "0 0 0 0 0 0 0\n";
    return {};
  }
  const auto s = memory->statistics();
  const auto& layout = memory->layout;
  const u64 code =
      (align_up(layout.code_end.value, kPageSize) - layout.code_start.page().value) / kPageSize;
  out << s.total << ' ' << s.resident_anonymous + s.resident_file << ' ' << s.resident_file << ' '
      << code << " 0 " << s.data + s.stack << " 0\n";
  return {};
}

// --- sched, schedstat

Result<> show_schedstat(const ProcSubject& subject, TextSink& out) {
  if (!subject.task) return Errno::kSrch;
  const Task& task = *subject.task;
  out << task.cpu_time_ns() << " 0 " << task.voluntary_switches() + task.involuntary_switches()
      << '\n';
  return {};
}

void sched_name(TextSink& out, std::string_view name) {
  out << name;
  for (usize width = name.size(); width < 45; ++width) out << ' ';
  out << ':';
}
void sched_number(TextSink& out, std::string_view name, u64 value) {
  sched_name(out, name);
  out << padded(value, 21) << '\n';
}
void sched_milliseconds(TextSink& out, std::string_view name, u64 ns) {
  sched_name(out, name);
  out << padded(ns / kNanosPerMilli, 14) << '.' << padded(ns % kNanosPerMilli, 6, '0') << '\n';
}

Result<> show_sched(const ProcSubject& subject, TextSink& out) {
  if (!subject.task) return Errno::kSrch;
  const Task& task = *subject.task;
  out << task.name() << " (" << task.tid() << ", #threads: " << subject.process->task_count()
      << ")\n-------------------------------------------------------------------\n";
  sched_milliseconds(out, "se.sum_exec_runtime", task.cpu_time_ns());
  sched_number(out, "nr_switches", task.voluntary_switches() + task.involuntary_switches());
  sched_number(out, "nr_voluntary_switches", task.voluntary_switches());
  sched_number(out, "nr_involuntary_switches", task.involuntary_switches());
  sched_number(out, "policy", u64(task.policy));
  sched_number(out, "prio", u64(priority_of(task) + 100));
  return {};
}

bool sleeps(const Task& task) {
  return task.state() == ThreadState::kSleeping;
}

// The call that a task waits in, its arguments, stack and instruction pointer.
Result<> show_syscall(const ProcSubject& subject, TextSink& out) {
  const Task* task = subject.task.get();
  if (!task) {
    out << "-1 0x0 0x0\n";
    return {};
  }
  if (task != &current_task() && !sleeps(*task)) {
    out << "running\n";
    return {};
  }
  const UserRegs regs = task->user_regs();
  const auto word = [&](u64 value) { out << " 0x" << hex_digits(value, 1); };
  const bool in_call = regs.orig_rax != ~u64{0};
  out << (in_call ? i64(regs.orig_rax) : i64{-1});
  if (in_call)
    for (const u64 argument : {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9})
      word(argument);
  word(regs.rsp);
  word(regs.rip);
  out << '\n';
  return {};
}

// The function that a task waits in. All of them wait in one.
Result<> show_waiting_place(const ProcSubject& subject, TextSink& out) {
  const bool waits = subject.task && subject.inspectable() && sleeps(*subject.task);
  out << (waits ? "sleep_until" : "0");
  return {};
}

constexpr ProcFileKind kFiles[] = {
    {"status", 0444, show_status},
    {"stat", 0444, show_stat},
    {"statm", 0444, show_statm},
    {"schedstat", 0444, show_schedstat},
    {"sched", 0444, show_sched},
    {"syscall", 0400, show_syscall, nullptr, true},
    {"wchan", 0444, show_waiting_place},
};

}  // namespace

std::span<const ProcFileKind> proc_status_files() {
  return kFiles;
}

}  // namespace narwhal
