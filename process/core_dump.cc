#include "process/core_dump.h"

#include "kernel/abi/resource.h"
#include "kernel/base/log.h"
#include "kernel/sched/clock.h"
#include "kernel/uts/uts.h"
#include "process/core_file.h"
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

Result<String> name_of_file(Task& task, Signal signal, const CorePattern& pattern) {
  Process& process = task.process();
  const Path place = process.executable();
  String executable;
  if (place) executable = TRY(vfs::path_text(place));
  const HostName host = host_name();
  CoreNameFacts facts{};
  facts.pid = process.pid();
  facts.tid = task.tid();
  facts.uid = task.credentials().uid;
  facts.gid = task.credentials().gid;
  facts.dumpable = process.dumpable.load();
  facts.signal = signal;
  facts.wall_clock_seconds = wall_clock_ns() / i64(kNanosPerSecond);
  facts.size_limit = process.soft_limit(abi::kLimitCore);
  facts.host_name = host.view();
  facts.command = task.name();
  facts.executable = executable.view();
  return core_file_name(pattern.view(), core_uses_pid(), facts);
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

Result<FileRef> open_file(Task& task, Signal signal) {
  Process& process = task.process();
  const u32 dumpable = process.dumpable.load();
  if (dumpable != kDumpable && dumpable != kDumpableAsRoot) return Errno::kPerm;
  if (process.soft_limit(abi::kLimitCore) < kPageSize) return Errno::kFBig;
  const CorePattern pattern = core_pattern();
  // No process is started for a dump.
  if (pattern.view().starts_with('|')) return Errno::kNoSys;
  const bool as_root = dumpable == kDumpableAsRoot;
  const String name = TRY(name_of_file(task, signal, pattern));
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

Result<> write_dump(Task& task, File& file, const abi::SignalInfo& info) {
  task.save_user_state();
  const auto tasks = TRY(tasks_at_rest(task));
  Vector<Task*> pointers;
  for (const Ref<Task>& each : tasks) TRY(pointers.push_back(each.get()));
  Process& process = task.process();
  const auto memory = TRY(CoreMemory::collect(task.memory(), process.core_filter.load()));
  const auto notes = TRY(make_core_notes(pointers, info, memory));
  return write_core_file(file, process.soft_limit(abi::kLimitCore), task.memory(), memory, notes);
}

}  // namespace

void end_with_core(Task& task, const abi::SignalInfo& info) {
  const auto signal = Signal(info.number);
  if (!Family::begin_dump(task, signal)) return;
  auto file = open_file(task, signal);
  if (file.ok()) {
    if (auto written = write_dump(task, *file.value(), info); !written.ok())
      LOG_WARN(task.name() << '[' << task.process().pid()
                           << "]: the core file is incomplete: " << errno_name(written.error()));
  }
  // A dump that had to end early is one.
  Family::finish_dump(task.process(), file.ok());
}

}  // namespace narwhal
