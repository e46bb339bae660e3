// /proc/PID, /proc/PID/task and /proc/PID/task/TID.
#include "fs/proc/tree.h"
#include "process/family.h"
#include "process/proc/file_kinds.h"
#include "process/proc/links.h"
#include "process/proc/machine.h"
#include "process/proc/memory_file.h"
#include "process/proc/namespaces.h"
#include "process/proc/proc_process.h"
#include "process/proc/sysrq.h"

namespace narwhal {
namespace {

struct Owner {
  u32 uid = 0, gid = 0;
};

// Who the files belong to: the effective ids, but root when the process is not dumpable
// (directories that anybody may read aside).
Owner owner_of(const ProcSubject& subject, bool always = false) {
  if (!subject.task) return {};
  if (!always && subject.process->dumpable.load() != 1) return {};
  const CredentialsRef who = subject.task->credentials_copy();
  return {who->euid, who->egid};
}

// --- text files

class ProcFile final : public GeneratedFile {
 public:
  ProcFile(GeneratedFileSystem& fs, const ProcTarget& target, const ProcFileKind& kind, Owner owner)
      : GeneratedFile(fs, kind.mode, owner.uid, owner.gid), target_(target), kind_(kind) {}

  Result<FileRef> open(const Path& path, OpenFlags flags) override {
    if (kind_.guarded) {
      const ProcSubject subject = TRY(target_.resolve());
      if (!subject.inspectable()) return subject.task ? Errno::kAcces : Errno::kSrch;
    }
    return GeneratedFile::open(path, flags);
  }
  Result<> show(TextSink& out) override { return kind_.show(TRY(target_.resolve()), out); }
  Result<> store(std::string_view text) override {
    if (!kind_.store) return Errno::kInval;
    return kind_.store(TRY(target_.resolve()), text);
  }
  Result<i64> control(u32 command, UserAddr argument) override {
    if (!kind_.control) return Errno::kNotTty;
    return kind_.control(TRY(target_.resolve()), command, argument);
  }
  bool still_valid() const override { return target_.resolve().ok(); }
  TextChanges* changes() override { return kind_.changes; }

 private:
  ProcTarget target_;
  const ProcFileKind& kind_;
};

constexpr usize kFileGroups = 4;
std::span<const ProcFileKind> file_group(usize index) {
  switch (index) {
    case 0:
      return proc_status_files();
    case 1:
      return proc_memory_files();
    case 2:
      return proc_mount_files();
    default:
      return proc_setting_files();
  }
}

// --- the directories

struct SpecialEntry {
  std::string_view name;
  FileType type;
  bool in_task;
};
constexpr SpecialEntry kSpecialEntries[] = {
    {"fd", FileType::kDirectory, true}, {"fdinfo", FileType::kDirectory, true},
    {"cwd", FileType::kSymlink, true},  {"root", FileType::kSymlink, true},
    {"exe", FileType::kSymlink, true},  {"net", FileType::kDirectory, true},
    {"mem", FileType::kRegular, true},  {"pagemap", FileType::kRegular, true},
    {"ns", FileType::kDirectory, true}, {"task", FileType::kDirectory, false},
};

Result<Ref<Inode>> make_task_list(GeneratedFileSystem& fs, const ProcTarget& target, Owner owner);

class ProcDirectory final : public GeneratedDirectory {
 public:
  ProcDirectory(GeneratedFileSystem& fs, const ProcTarget& target, Owner owner)
      : GeneratedDirectory(fs, 0555, owner.uid, owner.gid), target_(target) {}
  bool still_valid() const override { return target_.resolve().ok(); }

 protected:
  Result<Ref<Inode>> lookup_changing(std::string_view name) override {
    const ProcSubject subject = TRY(resolve());
    auto& fs = static_cast<GeneratedFileSystem&>(file_system());
    const Owner owner = owner_of(subject);
    for (usize group = 0; group < kFileGroups; ++group)
      for (const ProcFileKind& kind : file_group(group))
        if (kind.name == name && (kind.in_task || !subject.of_task))
          return Ref<Inode>(TRY(make_ref<ProcFile>(fs, target_, kind, owner)));
    if (name == "fd") return make_proc_fd_directory(fs, target_, owner.uid, owner.gid);
    if (name == "fdinfo") return make_proc_fdinfo_directory(fs, target_, owner.uid, owner.gid);
    if (name == "mem") return make_proc_memory_file(fs, target_, owner.uid, owner.gid);
    if (name == "pagemap") return make_proc_page_map(fs, target_, owner.uid, owner.gid);
    if (name == "ns") return make_proc_namespace_directory(fs, target_, owner.uid, owner.gid);
    if (name == "task" && !subject.of_task)
      return make_task_list(fs, target_, owner_of(subject, true));
    if (name == "net") {
      auto net = net_directory();
      return net ? Result<Ref<Inode>>(std::move(net)) : Errno::kNoEnt;
    }
    return make_proc_place_link(fs, target_, name);
  }

  Result<> read_changing(i64 offset, i64 base, DirectoryVisitor& visitor) override {
    const bool of_task = TRY(resolve()).of_task;
    i64 at = 0;
    const auto show = [&](std::string_view name, FileType type, bool shown) {
      const i64 mine = at++;
      if (mine < offset || !shown) return true;
      return visitor.entry(name, number() + u64(at), type, base + at);
    };
    for (const SpecialEntry& entry : kSpecialEntries) {
      const bool there = entry.name != "net" || net_directory();
      if (!show(entry.name, entry.type, there && (entry.in_task || !of_task))) return {};
    }
    for (usize group = 0; group < kFileGroups; ++group)
      for (const ProcFileKind& kind : file_group(group))
        if (!show(kind.name, FileType::kRegular, kind.in_task || !of_task)) return {};
    return {};
  }

 private:
  Result<ProcSubject> resolve() const {
    auto subject = target_.resolve();
    if (!subject.ok()) return Errno::kNoEnt;
    return subject;
  }
  // One network for all: /proc/net itself, if it is there.
  static Ref<Inode> net_directory() {
    return static_ref_cast<GeneratedDirectory>(proc_file_system().root_inode())->find("net");
  }
  ProcTarget target_;
};

Result<Ref<Inode>> make_directory_of(GeneratedFileSystem& fs, const ProcTarget& target) {
  auto subject = target.resolve();
  if (!subject.ok()) return Errno::kNoEnt;
  return Ref<Inode>(TRY(make_ref<ProcDirectory>(fs, target, owner_of(subject.value(), true))));
}

// The least number at or above `from` in a table; 0: none.
u32 next_process(u32 from) {
  u32 best = 0;
  SpinGuard guard(thread_list_lock);
  pid_table::processes().for_each([&](const Process& process) {
    const u32 pid = process.pid();
    if (pid >= from && (best == 0 || pid < best)) best = pid;
  });
  return best;
}

u32 next_task(Process& process, u32 from) {
  u32 best = 0;
  SpinGuard guard(thread_list_lock);
  Family::for_each_task(process, [&](const Task& task) {
    if (task.tid() >= from && (best == 0 || task.tid() < best)) best = task.tid();
  });
  return best;
}

// Shows numbers from `from` on; an entry's offset is base + its number + 1.
template <typename Next>
Result<> read_numbers(u32 from, i64 base, DirectoryVisitor& visitor, Next next) {
  for (u32 number = next(from); number != 0; number = next(number + 1)) {
    Text<16> name;
    name << number;
    constexpr u64 kInodeBase = u64{1} << 32;
    if (!visitor.entry(name.view(), kInodeBase + number, FileType::kDirectory,
                       base + i64(number) + 1))
      break;
  }
  return {};
}

class TaskList final : public GeneratedDirectory {
 public:
  TaskList(GeneratedFileSystem& fs, const ProcTarget& target, Owner owner)
      : GeneratedDirectory(fs, 0555, owner.uid, owner.gid), target_(target) {}
  bool still_valid() const override { return target_.resolve().ok(); }
  Result<> stat(abi::Stat& out) override {
    TRY(GeneratedDirectory::stat(out));
    if (auto subject = target_.resolve(); subject.ok())
      out.links += subject.value().process->task_count();
    return {};
  }

 protected:
  Result<Ref<Inode>> lookup_changing(std::string_view name) override {
    const u32 tid = parse_number(name);
    if (tid == 0) return Errno::kNoEnt;
    return make_directory_of(static_cast<GeneratedFileSystem&>(file_system()),
                             TRY(ProcTarget::of_task(target_.pid, tid)));
  }
  Result<> read_changing(i64 offset, i64 base, DirectoryVisitor& visitor) override {
    auto subject = target_.resolve();
    if (!subject.ok()) return Errno::kNoEnt;
    Process& process = *subject.value().process;
    return read_numbers(u32(offset), base, visitor,
                        [&](u32 from) { return next_task(process, from); });
  }

 private:
  ProcTarget target_;
};

Result<Ref<Inode>> make_task_list(GeneratedFileSystem& fs, const ProcTarget& target, Owner owner) {
  return Ref<Inode>(TRY(make_ref<TaskList>(fs, target, owner)));
}

// --- the root's entries

class SelfLink final : public GeneratedInode {
 public:
  SelfLink(GeneratedFileSystem& fs, bool thread)
      : GeneratedInode(fs, FileType::kSymlink, 0777), thread_(thread) {}
  Result<String> read_link() override {
    const Task& task = current_task();
    Text<48> text;
    text << task.process().pid();
    if (thread_) text << "/task/" << task.tid();
    return String::copy(text.view());
  }

 private:
  bool thread_;
};

// A task's number leads to its directory too, though only those of processes are listed.
Result<Ref<Inode>> lookup_process(std::string_view name) {
  const u32 number = parse_number(name);
  if (number == 0) return Errno::kNoEnt;
  auto target = ProcTarget::of_process(number);
  if (target.failed(Errno::kNoEnt)) {
    auto task = find_task(number);
    if (!task) return Errno::kNoEnt;
    return make_directory_of(proc_file_system(),
                             TRY(ProcTarget::of_task(task->process().pid(), number)));
  }
  return make_directory_of(proc_file_system(), TRY(std::move(target)));
}

Result<> read_processes(i64 offset, i64 base, DirectoryVisitor& visitor) {
  return read_numbers(u32(offset), base, visitor, next_process);
}

}  // namespace

Result<> proc_process_init() {
  TRY(proc_links_init());
  TRY(namespace_files_init());
  GeneratedFileSystem& fs = proc_file_system();
  TRY(proc_add("", "self", Ref<Inode>(TRY(make_ref<SelfLink>(fs, false)))));
  TRY(proc_add("", "thread-self", Ref<Inode>(TRY(make_ref<SelfLink>(fs, true)))));
  TRY(proc_add_process_counts());
  TRY(proc_add_core_settings());
  TRY(proc_add_limits());
  TRY(proc_add_sysrq());
  proc_watch_mounts();
  proc_set_process_source({lookup_process, read_processes});
  return {};
}

}  // namespace narwhal
