#include "process/core_dump.h"

#include "kernel/abi/resource.h"
#include "kernel/base/log.h"
#include "kernel/sched/clock.h"
#include "kernel/uts/uts.h"
#include "process/core_file.h"
#include "process/core_helper.h"
#include "process/core_settings.h"
#include "process/family.h"
#include "process/signals.h"

namespace narwhal {
namespace {

constexpr u32 kDumpable = 1;        // PR_GET_DUMPABLE
constexpr u32 kDumpableAsRoot = 2;  // by suid_dumpable
constexpr u32 kMode = 0600;

// The file's creator: who runs, or root where the dump may hold what the user must not see.
Result<CredentialsRef> creator(Task& task, bool as_root) {
  if (!as_root) return task.credentials_ref();
  auto root = TRY(task.credentials().copy());
  root->fsuid = 0;
  return CredentialsRef(std::move(root));
}

// What its name, or the helper's arguments, may tell. The texts are the caller's to keep.
struct Facts {
  HostName host = host_name();
  String executable;
  CoreNameFacts known{};
};

Result<> collect(Task& task, Signal signal, Facts& facts) {
  Process& process = task.process();
  if (const Path place = process.executable()) facts.executable = TRY(vfs::path_text(place));
  CoreNameFacts& known = facts.known;
  known.pid = process.pid();
  known.tid = task.tid();
  known.uid = task.credentials().uid;
  known.gid = task.credentials().gid;
  known.cpu = task.cpu();
  known.dumpable = process.dumpable.load();
  known.signal = signal;
  known.wall_clock_seconds = wall_clock_ns() / i64(kNanosPerSecond);
  known.size_limit = process.soft_limit(abi::kLimitCore);
  known.host_name = facts.host.view();
  known.command = task.name();
  known.executable = facts.executable.view();
  return {};
}

// A file of its own, whoever prepared the place: EEXIST, and EPERM for what is no plain file of the
// creator's.
Result<FileRef> make_file(const vfs::Actor& actor, std::string_view name, bool as_root) {
  // As root nothing of others is removed.
  if (!as_root) vfs::unlink(actor, {}, name).ignore();
  auto file = TRY(vfs::open(
      actor, {}, name,
      OpenFlags::kCreate | OpenFlags::kReadWrite | OpenFlags::kNoFollow | OpenFlags::kExclusive,
      kMode));
  abi::Stat status{};
  TRY(file->stat(status));
  constexpr u32 kTypeMask = 0170000, kRegular = 0100000, kForeign = 0077;
  if ((status.mode & kTypeMask) != kRegular || (status.mode & kForeign) != 0 || status.links != 1 ||
      status.uid != actor.who.fsuid)
    return Errno::kPerm;
  return file;
}

Result<FileRef> open_file(Task& task, std::string_view pattern, const Facts& facts) {
  if (task.process().soft_limit(abi::kLimitCore) < kPageSize) return Errno::kFBig;
  const bool as_root = facts.known.dumpable == kDumpableAsRoot;
  const String name = TRY(core_file_name(pattern, core_uses_pid(), facts.known));
  if (name.empty() || (as_root && name.view()[0] != '/')) return Errno::kPerm;
  const CredentialsRef who = TRY(creator(task, as_root));
  return make_file({task.fs(), *who}, name, as_root);
}

// The current task first, and every other that came to rest.
Result<Vector<Ref<Task>>> tasks_at_rest(Task& task) {
  Vector<Ref<Task>> tasks;
  TRY(tasks.reserve(task.process().task_count()));
  TRY(tasks.push_back(Ref<Task>(&task)));
  SpinGuard guard(thread_list_lock);
  Family::for_each_task(task.process(), [&](Task& other) {
    // There is room: nobody joins a group that ends.
    if (Family::at_rest(other)) tasks.push_back(Ref<Task>(&other)).ignore();
  });
  return tasks;
}

Result<> write_dump(Task& task, CoreOutput& output, u64 limit, const abi::SignalInfo& info) {
  task.save_user_state();
  const auto tasks = TRY(tasks_at_rest(task));
  Vector<Task*> pointers;
  for (const Ref<Task>& each : tasks) TRY(pointers.push_back(each.get()));
  Process& process = task.process();
  const auto memory = TRY(CoreMemory::collect(task.memory(), process.core_filter.load()));
  const auto notes = TRY(make_core_notes(pointers, info, memory));
  return write_core_file(output, limit, task.memory(), memory, notes);
}

void dump_into(Task& task, CoreOutput& output, u64 limit, const abi::SignalInfo& info) {
  if (auto written = write_dump(task, output, limit, info); !written.ok())
    LOG_WARN(task.name() << '[' << task.process().pid()
                         << "]: the core dump is incomplete: " << errno_name(written.error()));
}

Result<> dump_to_helper(Task& task, std::string_view pattern, const Facts& facts,
                        const abi::SignalInfo& info) {
  constexpr u64 kWhole = ~u64{0};
  if (facts.known.size_limit == kNoCorePipe) return Errno::kFBig;
  auto arguments = TRY(core_helper_arguments(pattern, facts.known));
  auto helper = CoreHelper::start(std::move(arguments));
  if (!helper.ok()) {
    LOG_WARN(task.name() << '[' << facts.known.pid << "]: no core dump to " << pattern << ": "
                         << errno_name(helper.error()));
    return helper.error();
  }
  dump_into(task, *helper.value(), kWhole, info);
  helper.value()->end();
  return {};
}

// Says whether there is a dump. One that had to end early is one.
Result<> dump(Task& task, const abi::SignalInfo& info) {
  const u32 dumpable = task.process().dumpable.load();
  if (dumpable != kDumpable && dumpable != kDumpableAsRoot) return Errno::kPerm;
  Facts facts;
  TRY(collect(task, Signal(info.number), facts));
  const CorePattern pattern = core_pattern();
  if (pattern.view().starts_with('|')) return dump_to_helper(task, pattern.view(), facts, info);
  const FileRef file = TRY(open_file(task, pattern.view(), facts));
  CoreFileOutput output(*file);
  dump_into(task, output, facts.known.size_limit, info);
  return {};
}

}  // namespace

void end_with_core(Task& task, const abi::SignalInfo& info) {
  if (!Family::begin_dump(task, Signal(info.number))) return;
  const bool dumped = dump(task, info).ok();
  Family::finish_dump(task.process(), dumped);
}

}  // namespace narwhal
