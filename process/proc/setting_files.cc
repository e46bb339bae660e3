// comm, limits, oom_score_adj and other settings, and what says the same for all processes here.
#include "kernel/abi/resource.h"
#include "kernel/mm/frame.h"
#include "process/core_settings.h"
#include "process/out_of_memory.h"
#include "process/proc/file_kinds.h"
#include "process/proc/numbers.h"

namespace narwhal {
namespace {

// --- comm

Result<> show_comm(const ProcSubject& subject, TextSink& out) {
  if (!subject.task) return Errno::kSrch;
  out << subject.task->name() << '\n';
  return {};
}

Result<> store_comm(const ProcSubject& subject, std::string_view text) {
  if (!subject.task) return Errno::kSrch;
  if (subject.process != &current_process()) return Errno::kInval;
  subject.task->set_name(text.substr(0, text.find('\0')));
  return {};
}

// --- limits

struct LimitName {
  std::string_view name, unit;
};
constexpr LimitName kLimitNames[kResourceLimits] = {
    {"Max cpu time", "seconds"},     {"Max file size", "bytes"},
    {"Max data size", "bytes"},      {"Max stack size", "bytes"},
    {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
    {"Max processes", "processes"},  {"Max open files", "files"},
    {"Max locked memory", "bytes"},  {"Max address space", "bytes"},
    {"Max file locks", "locks"},     {"Max pending signals", "signals"},
    {"Max msgqueue size", "bytes"},  {"Max nice priority", ""},
    {"Max realtime priority", ""},   {"Max realtime timeout", "us"},
};

void show_column(TextSink& out, std::string_view text, usize width) {
  out << text;
  for (usize at = text.size(); at < width; ++at) out << ' ';
}

Result<> show_limits(const ProcSubject& subject, TextSink& out) {
  constexpr usize kNameWidth = 26, kValueWidth = 21, kUnitWidth = 10;
  const auto value = [&](u64 limit) {
    Text<24> text;
    if (limit == ~u64{0})
      text << "unlimited";
    else
      text << limit;
    show_column(out, text.view(), kValueWidth);
  };
  show_column(out, "Limit", kNameWidth);
  show_column(out, "Soft Limit", kValueWidth);
  show_column(out, "Hard Limit", kValueWidth);
  show_column(out, "Units", kUnitWidth);
  out << '\n';
  for (usize i = 0; i < kResourceLimits; ++i) {
    const ResourceLimit limit = subject.process->limit(i);
    show_column(out, kLimitNames[i].name, kNameWidth);
    value(limit.soft);
    value(limit.hard);
    if (!kLimitNames[i].unit.empty()) show_column(out, kLimitNames[i].unit, kUnitWidth);
    out << '\n';
  }
  return {};
}

// --- whom to kill first when memory runs out: kept and reported

constexpr i64 kLowestAdjustment = -1000, kHighestAdjustment = 1000;
// The older scale.
constexpr i64 kOldDisabled = -17, kOldHighest = 15;

Result<> show_oom_score_adj(const ProcSubject& subject, TextSink& out) {
  out << subject.process->oom_score_adjustment.load() << '\n';
  return {};
}

Result<> set_adjustment(Process& process, i64 value) {
  // Lower than what a privileged process set last: only by another such.
  const bool privileged = current_task().credentials().capable(Capability::kSysResource);
  if (value < process.oom_score_lowest.load() && !privileged) return Errno::kAcces;
  process.oom_score_adjustment.store(i32(value));
  if (privileged) process.oom_score_lowest.store(i32(value));
  return {};
}

Result<> store_oom_score_adj(const ProcSubject& subject, std::string_view text) {
  const i64 value = TRY(parse_integer(text));
  if (value < kLowestAdjustment || value > kHighestAdjustment) return Errno::kInval;
  return set_adjustment(*subject.process, value);
}

Result<> show_oom_adj(const ProcSubject& subject, TextSink& out) {
  const i64 value = subject.process->oom_score_adjustment.load();
  out << (value == kHighestAdjustment ? kOldHighest : value * -kOldDisabled / kHighestAdjustment)
      << '\n';
  return {};
}

Result<> store_oom_adj(const ProcSubject& subject, std::string_view text) {
  const i64 value = TRY(parse_integer(text));
  if (value < kOldDisabled || value > kOldHighest) return Errno::kInval;
  return set_adjustment(*subject.process, value == kOldHighest
                                              ? kHighestAdjustment
                                              : value * kHighestAdjustment / -kOldDisabled);
}

Result<> show_oom_score(const ProcSubject& subject, TextSink& out) {
  auto memory = subject.memory();
  const i64 badness = memory ? out_of_memory_badness(*subject.process, *memory) : 0;
  if (badness == 0) {
    out << "0\n";
    return {};
  }
  out << (1000 + badness * 1000 / i64(memory_statistics().total_frames)) * 2 / 3 << '\n';
  return {};
}

// --- the rest

Result<> show_personality(const ProcSubject& subject, TextSink& out) {
  out << hex_digits(subject.process->personality.load(), 8) << '\n';
  return {};
}

Result<> show_core_filter(const ProcSubject& subject, TextSink& out) {
  if (!subject.memory()) return {};
  out << hex_digits(subject.process->core_filter.load(), 8) << '\n';
  return {};
}

Result<> store_core_filter(const ProcSubject& subject, std::string_view text) {
  const i64 value = TRY(parse_integer(text));
  if (value < 0 || value > i64{~u32{0}}) return Errno::kInval;
  if (!subject.memory()) return Errno::kSrch;
  subject.process->core_filter.store(u32(value) & core_filter::kAll);
  return {};
}

Result<> show_timer_slack(const ProcSubject& subject, TextSink& out) {
  if (!subject.task) return Errno::kSrch;
  out << subject.task->timer_slack_ns << '\n';
  return {};
}

// Nothing is counted.
Result<> show_io(const ProcSubject&, TextSink& out) {
  for (const char* name :
       {"rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes"})
    out << name << ": 0\n";
  return {};
}

Result<> show_wchan(const ProcSubject&, TextSink& out) {
  out << '0';
  return {};
}

// Nobody logged in: there is no audit.
Result<> show_no_login(const ProcSubject&, TextSink& out) {
  out << ~u32{0};
  return {};
}

Result<> show_cgroup(const ProcSubject&, TextSink& out) {
  out << "0::/\n";
  return {};
}

Result<> show_cpuset(const ProcSubject&, TextSink& out) {
  out << "/\n";
  return {};
}

// One user name space, whose numbers mean themselves.
Result<> show_id_map(const ProcSubject&, TextSink& out) {
  out << padded(0, 10) << ' ' << padded(0, 10) << ' ' << padded(~u32{0}, 10) << '\n';
  return {};
}

Result<> show_setgroups(const ProcSubject&, TextSink& out) {
  out << "allow\n";
  return {};
}

constexpr ProcFileKind kFiles[] = {
    {"comm", 0644, show_comm, store_comm},
    {"limits", 0444, show_limits},
    {"oom_score", 0444, show_oom_score},
    {"oom_score_adj", 0644, show_oom_score_adj, store_oom_score_adj},
    {"oom_adj", 0644, show_oom_adj, store_oom_adj},
    {"personality", 0400, show_personality},
    {"coredump_filter", 0644, show_core_filter, store_core_filter},
    {"timerslack_ns", 0666, show_timer_slack, nullptr, false, false},
    {"io", 0400, show_io},
    {"wchan", 0444, show_wchan},
    {"loginuid", 0444, show_no_login},
    {"sessionid", 0444, show_no_login},
    {"cgroup", 0444, show_cgroup},
    {"cpuset", 0444, show_cpuset},
    {"uid_map", 0444, show_id_map},
    {"gid_map", 0444, show_id_map},
    {"setgroups", 0444, show_setgroups},
};

}  // namespace

std::span<const ProcFileKind> proc_setting_files() {
  return kFiles;
}

}  // namespace narwhal
