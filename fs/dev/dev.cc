#include "fs/dev/dev.h"

#include "fs/core/dentry.h"
#include "fs/dev/memory_devices.h"

namespace narwhal {
namespace {

constexpr u32 kTerminalMajor = 5;
constexpr u32 kTerminalGroup = 5;  // "tty", as Debian and Alpine number it

constexpr u32 kMiscMajor = 10;
constexpr u32 kLoopMajor = 7;
constexpr u32 kDiskGroup = 6;  // "disk", as Debian and Alpine number it

struct Device {
  std::string_view name;
  u32 mode;
  u32 gid;
  u32 major;
  u32 minor;
  FileType type = FileType::kCharacterDevice;
};
constexpr Device kDevices[] = {
    {"null", 0666, 0, kMemoryMajor, u32(MemoryDevice::kNull)},
    {"zero", 0666, 0, kMemoryMajor, u32(MemoryDevice::kZero)},
    {"full", 0666, 0, kMemoryMajor, u32(MemoryDevice::kFull)},
    {"random", 0666, 0, kMemoryMajor, u32(MemoryDevice::kRandom)},
    {"urandom", 0666, 0, kMemoryMajor, u32(MemoryDevice::kUrandom)},
    {"ptmx", 0666, kTerminalGroup, kTerminalMajor, 2},
    {"tty", 0666, kTerminalGroup, kTerminalMajor, 0},
    {"console", 0600, 0, kTerminalMajor, 1},
    {"loop-control", 0660, kDiskGroup, kMiscMajor, 237},
    {"loop0", 0660, kDiskGroup, kLoopMajor, 0, FileType::kBlockDevice},
    {"loop1", 0660, kDiskGroup, kLoopMajor, 1, FileType::kBlockDevice},
    {"loop2", 0660, kDiskGroup, kLoopMajor, 2, FileType::kBlockDevice},
    {"loop3", 0660, kDiskGroup, kLoopMajor, 3, FileType::kBlockDevice},
    {"loop4", 0660, kDiskGroup, kLoopMajor, 4, FileType::kBlockDevice},
    {"loop5", 0660, kDiskGroup, kLoopMajor, 5, FileType::kBlockDevice},
    {"loop6", 0660, kDiskGroup, kLoopMajor, 6, FileType::kBlockDevice},
    {"loop7", 0660, kDiskGroup, kLoopMajor, 7, FileType::kBlockDevice},
};

struct Link {
  std::string_view name, target;
};
constexpr Link kLinks[] = {
    {"fd", "/proc/self/fd"},
    {"stdin", "/proc/self/fd/0"},
    {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"},
};

struct Directory {
  std::string_view name;
  u32 mode;
};
constexpr Directory kDirectories[] = {{"shm", 01777}, {"pts", 0755}, {"mqueue", 01777}};

Result<> fill(TmpFs& fs) {
  const Ref<Dentry> root = TRY(fs.root());
  TmpFs::Attributes attributes;
  attributes.time = root->inode().modified();
  for (const Device& device : kDevices) {
    attributes.mode = device.mode;
    attributes.gid = device.gid;
    attributes.device = make_device(device.major, device.minor);
    TRY(fs.add_name(root, device.name, TRY(fs.make_inode(device.type, attributes))));
  }
  attributes.gid = 0;
  attributes.device = 0;
  for (const Link& link : kLinks)
    TRY(fs.add_name(root, link.name, TRY(fs.make_symlink(attributes, link.target))));
  for (const Directory& directory : kDirectories) {
    attributes.mode = directory.mode;
    TRY(fs.add_name(root, directory.name, TRY(fs.make_inode(FileType::kDirectory, attributes))));
  }
  return {};
}

constinit Mutex<LockRank::kMounts> instance_mutex;
// Lives as long as the machine.
constinit TmpFs* instance TA_GUARDED_BY(instance_mutex) = nullptr;

Result<Ref<FileSystem>> create_for_mount(std::string_view) {
  return Ref<FileSystem>(TRY(dev_file_system()));
}
[[clang::no_destroy]] constinit FileSystemType devtmpfs_type{{}, "devtmpfs", create_for_mount};

}  // namespace

Result<Ref<TmpFs>> dev_file_system() {
  Guard guard(instance_mutex);
  if (!instance) {
    TmpFs::Options options;
    options.mode = 0755;
    options.type_name = "devtmpfs";
    Ref<TmpFs> fs = TRY(TmpFs::create(options));
    TRY(fill(*fs));
    instance = fs.release();
  }
  return Ref<TmpFs>(instance);
}

void dev_init() {
  register_memory_devices();
  register_file_system_type(devtmpfs_type);
}

}  // namespace narwhal
