// mounts, mountinfo, mountstats: the one tree of mounts, as seen from the process's root.
#include "fs/core/dentry.h"
#include "fs/core/mount.h"
#include "process/proc/file_kinds.h"

namespace narwhal {
namespace {

// Blanks and the like as three octal digits, so that the columns stay columns.
void show_escaped(TextSink& out, std::string_view text, std::string_view special) {
  for (const char c : text) {
    if (special.find(c) == std::string_view::npos) {
      out << c;
      continue;
    }
    out << '\\' << char('0' + (u8(c) >> 6 & 7)) << char('0' + (u8(c) >> 3 & 7))
        << char('0' + (u8(c) & 7));
  }
}
constexpr std::string_view kSpecial = " \t\n\\#";

struct OptionName {
  MountFlags flag;
  std::string_view name;
};
constexpr OptionName kOptionNames[] = {
    {MountFlags::kNoSetUid, ",nosuid"},
    {MountFlags::kNoDevices, ",nodev"},
    {MountFlags::kNoExecute, ",noexec"},
    {MountFlags::kNoAccessTime, ",noatime"},
    {MountFlags::kNoDirectoryAccessTime, ",nodiratime"},
    {MountFlags::kNoSymlinkFollow, ",nosymfollow"},
};

void show_mount_options(TextSink& out, const Mount& mount) {
  out << (mount.read_only() ? "ro" : "rw");
  for (const OptionName& option : kOptionNames)
    if (has(mount.flags(), option.flag)) out << option.name;
  // What mount(2) does unless it is told otherwise.
  if (!has(mount.flags(), MountFlags::kNoAccessTime | MountFlags::kStrictAccessTime))
    out << ",relatime";
}

void show_file_system_options(TextSink& out, const Mount& mount) {
  Text<512> options;
  mount.file_system().describe_options(options);
  if (options.size() != 0) out << ',' << options.view();
}

// Calls show(mount, its path) for each mount that can be reached from the process's root.
template <typename Show>
Result<> for_each_mount(const ProcSubject& subject, TextSink& out, Show show) {
  auto fs = subject.fs();
  if (!fs) return Errno::kInval;
  for (Ref<Mount> mount = MountTree::next(nullptr); mount && !out.truncated();
       mount = MountTree::next(mount.get())) {
    if (has(mount->flags(), MountFlags::kInternal)) continue;
    const Path place{mount, mount->root()};
    if (!vfs::is_reachable(*fs, place)) continue;
    const String path = TRY(vfs::path_text(*fs, place));
    TRY(show(*mount, path.view()));
  }
  return {};
}

Result<> show_mounts(const ProcSubject& subject, TextSink& out) {
  return for_each_mount(subject, out, [&](const Mount& mount, std::string_view path) -> Result<> {
    show_escaped(out, mount.source(), kSpecial);
    out << ' ';
    show_escaped(out, path, kSpecial);
    out << ' ' << mount.file_system().type_name() << ' ';
    show_mount_options(out, mount);
    show_file_system_options(out, mount);
    out << " 0 0\n";
    return {};
  });
}

u32 parent_id(const Mount& mount) {
  NamesReadGuard guard;
  return mount.parent() ? mount.parent()->id() : mount.id();
}

Result<> show_mountinfo(const ProcSubject& subject, TextSink& out) {
  return for_each_mount(subject, out, [&](const Mount& mount, std::string_view path) -> Result<> {
    const FileSystem& file_system = mount.file_system();
    const u64 device = file_system.device();
    out << mount.id() << ' ' << parent_id(mount) << ' ' << (device >> 8 & 0xfff) << ':'
        << ((device & 0xff) | (device >> 12 & 0xfff00)) << ' ';
    show_escaped(out, TRY(vfs::root_text(mount)).view(), kSpecial);
    out << ' ';
    show_escaped(out, path, kSpecial);
    out << ' ';
    show_mount_options(out, mount);
    out << " - " << file_system.type_name() << ' ';
    show_escaped(out, mount.source(), kSpecial);
    out << ' ' << (mount.read_only() ? "ro" : "rw");
    show_file_system_options(out, mount);
    out << '\n';
    return {};
  });
}

Result<> show_mountstats(const ProcSubject& subject, TextSink& out) {
  return for_each_mount(subject, out, [&](const Mount& mount, std::string_view path) -> Result<> {
    out << "device ";
    show_escaped(out, mount.source(), kSpecial);
    out << " mounted on ";
    show_escaped(out, path, kSpecial);
    out << " with fstype " << mount.file_system().type_name() << '\n';
    return {};
  });
}

[[clang::no_destroy]] constinit TextChanges mount_changes;

constexpr ProcFileKind kFiles[] = {
    {"mounts", 0444, show_mounts, nullptr, false, true, &mount_changes},
    {"mountinfo", 0444, show_mountinfo, nullptr, false, true, &mount_changes},
    {"mountstats", 0400, show_mountstats, nullptr, true, false},
};

}  // namespace

void proc_watch_mounts() {
  MountTree::set_listener([] { mount_changes.announce(); });
}

std::span<const ProcFileKind> proc_mount_files() {
  return kFiles;
}

}  // namespace narwhal
