#include "fs/core/special_file.h"

#include "fs/core/dentry.h"
#include "fs/core/inode_extras.h"

namespace narwhal {
namespace {

constinit SpinLock<LockRank::kSpinOther> devices_lock;
using DeviceRanges = List<DeviceRange, &DeviceRange::node>;
[[clang::no_destroy]] constinit DeviceRanges character_devices TA_GUARDED_BY(devices_lock);
[[clang::no_destroy]] constinit DeviceRanges block_devices TA_GUARDED_BY(devices_lock);

DeviceRanges& devices_of(FileType type) TA_REQUIRES(devices_lock) {
  return type == FileType::kBlockDevice ? block_devices : character_devices;
}

constinit Atomic<FifoOpener> fifo_opener{nullptr};

}  // namespace

void register_device(FileType type, DeviceRange& device) {
  SpinGuard guard(devices_lock);
  devices_of(type).push_back(device);
}

void for_each_device(FileType type, void (*visit)(const DeviceRange& device, void* argument),
                     void* argument) {
  SpinGuard guard(devices_lock);
  for (DeviceRange& device : devices_of(type)) visit(device, argument);
}

Result<FileRef> open_device(const Path& path, OpenFlags flags) {
  const Inode& inode = path.dentry->inode();
  const u64 number = inode.special_device();
  const u32 major = device_major(number), minor = device_minor(number);
  Result<FileRef> (*open)(const Path&, OpenFlags) = nullptr;
  {
    SpinGuard guard(devices_lock);
    for (DeviceRange& device : devices_of(inode.type()))
      if (device.major == major && device.first_minor <= minor && minor <= device.last_minor)
        open = device.open;
  }
  if (!open) return Errno::kNxIo;
  return open(path, flags);
}

void set_fifo_opener(FifoOpener opener) {
  fifo_opener.store(opener);
}

Result<FileRef> open_fifo(const Path& path, OpenFlags flags) {
  FifoOpener opener = fifo_opener.load();
  if (!opener) return Errno::kNxIo;
  return opener(path, flags);
}

Ref<RefCounted> inode_attachment(Inode& inode) {
  InodeExtras* extras = inode.extras_if_any();
  if (!extras) return nullptr;
  SpinGuard guard(extras->attachment_lock);
  return extras->attachment;
}

Result<Ref<RefCounted>> attach_if_none(Inode& inode, Ref<RefCounted> object) {
  InodeExtras* extras = TRY(inode.extras());
  SpinGuard guard(extras->attachment_lock);
  if (!extras->attachment) extras->attachment = object;
  return extras->attachment;
}

void detach_from_inode(Inode& inode, const RefCounted* object) {
  InodeExtras* extras = inode.extras_if_any();
  if (!extras) return;
  Ref<RefCounted> dropped;
  SpinGuard guard(extras->attachment_lock);
  if (extras->attachment == object) std::swap(dropped, extras->attachment);
}

}  // namespace narwhal
