#include "kernel/init/root.h"

#include "fs/archive/unpack.h"
#include "fs/core/vfs.h"
#include "fs/p9/p9.h"
#include "fs/sys/sys.h"
#include "kernel/init/devices.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/machine.h"

namespace narwhal {
namespace {

std::span<const std::byte> archive_bytes() {
  const platform::MemoryRange archive = platform::boot_archive();
  if (archive.size == 0) return {};
  return {platform::direct_map(archive.start), archive.size};
}

Result<Ref<FsContext>> root_context() {
  return make_ref<FsContext>(vfs::root_path(), vfs::root_path(), 022);
}

// Something that acts as root, from the root.
struct RootActor {
  Ref<FsContext> fs;
  Ref<Credentials> who;
  static Result<RootActor> make() {
    return RootActor{TRY(root_context()), TRY(make_ref<Credentials>())};
  }
  vfs::Actor actor() const { return {*fs, *who}; }
};

Result<> make_directory(const vfs::Actor& actor, std::string_view path, u32 mode) {
  auto made = vfs::mkdir(actor, Path(), path, mode);
  return made.failed(Errno::kExist) ? Result<>() : std::move(made);
}

Result<> make_directories_above(const vfs::Actor& actor, std::string_view path) {
  for (usize slash = path.find('/', 1); slash != std::string_view::npos;
       slash = path.find('/', slash + 1))
    TRY(make_directory(actor, path.substr(0, slash), 0755));
  return {};
}

// mount(2)'s flags.
constexpr u32 kReadOnly = 1, kNoSetUid = 2, kNoDevices = 4, kNoExecute = 8;

struct MountPoint {
  std::string_view at, type, options;
  u32 flags;
  u32 mode;
};
constexpr MountPoint kMounts[] = {
    {"/proc", "proc", "", kNoSetUid | kNoDevices | kNoExecute, 0555},
    {"/sys", "sysfs", "", kNoSetUid | kNoDevices | kNoExecute, 0555},
    {"/dev", "devtmpfs", "", kNoSetUid, 0755},
    {"/dev/pts", "devpts", "gid=5,mode=620", kNoSetUid | kNoExecute, 0755},
    {"/dev/shm", "tmpfs", "mode=1777", kNoSetUid | kNoDevices, 01777},
    {"/dev/mqueue", "mqueue", "", kNoSetUid | kNoDevices | kNoExecute, 01777},
};

Result<> mount_all(TextSink& problem) {
  const RootActor root = TRY(RootActor::make());
  for (const MountPoint& point : kMounts) {
    const auto mount = [&]() -> Result<> {
      TRY(make_directory(root.actor(), point.at, point.mode));
      return vfs::mount(root.actor(), point.at, TRY(create_file_system(point.type, point.options)),
                        point.flags);
    };
    if (auto mounted = mount(); !mounted.ok()) {
      problem << point.type << " could not be mounted on " << point.at << ": " << mounted.error();
      return mounted;
    }
  }
  return {};
}

}  // namespace

Result<String> read_archive_settings(TextSink& problem) {
  const auto archive = archive_bytes();
  if (archive.empty()) return String();
  auto member = find_archive_member(archive, kBootSettingsMember);
  if (member.failed(Errno::kNoEnt)) return String();
  if (!member.ok()) {
    problem << "the boot archive is malformed";
    return member.error();
  }
  const auto bytes = member.value();
  return String::copy({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Result<> make_root(TextSink& problem) {
  TmpFs::Options options;
  options.mode = 0755;
  // All of the memory, so that a file system that cannot grow any more is never the reason why a
  // program does not start; and not without a limit, because programs ask how much room there is.
  const auto archive = archive_bytes();
  options.max_pages = options.max_inodes =
      memory_statistics().total_frames + div_round_up(archive.size(), kPageSize);
  auto root = TRY(TmpFs::create(options));
  if (!archive.empty()) {
    auto unpacked = unpack_archive(archive, platform::boot_archive().start, *root, problem);
    if (unpacked.failed(Errno::kNoSpc) || unpacked.failed(Errno::kNoMem))
      problem << ": too little memory, give the machine more (-m)";
    TRY(std::move(unpacked));
  }
  TRY(vfs::mount_root(root));
  return mount_all(problem);
}

Result<> mount_volumes(const BootSettings& settings, TextSink& problem) {
  const RootActor root = TRY(RootActor::make());
  for (const BootSettings::Volume& volume : settings.volumes) {
    const auto mount = [&]() -> Result<> {
      auto channel = shared_folder(volume.tag);
      if (!channel) return Errno::kNoDev;
      TRY(make_directories_above(root.actor(), volume.path));
      TRY(make_directory(root.actor(), volume.path, 0755));
      return vfs::mount(root.actor(), volume.path, TRY(create_p9_file_system(std::move(channel))),
                        volume.read_only ? kReadOnly : 0);
    };
    if (auto mounted = mount(); !mounted.ok()) {
      problem << "the shared folder '" << volume.tag << "' could not be mounted on " << volume.path
              << ": " << mounted.error();
      return mounted;
    }
  }
  return {};
}

Result<> write_root_file(std::string_view path, std::string_view content) {
  const RootActor root = TRY(RootActor::make());
  TRY(make_directories_above(root.actor(), path));
  constexpr OpenFlags kFlags = OpenFlags::kWriteOnly | OpenFlags::kCreate | OpenFlags::kTruncate;
  FileRef file = TRY(vfs::open(root.actor(), Path(), path, kFlags, 0644));
  IoBuffer buffer(std::span(reinterpret_cast<const std::byte*>(content.data()), content.size()));
  const usize written = TRY(file->write(buffer));
  return written == content.size() ? Result<>() : Result<>(Errno::kNoSpc);
}

}  // namespace narwhal
