// What lies behind names that are not files of their file system: devices and FIFOs. Those who
// serve them register here, so that a file system needs to know none of them.
#pragma once

#include "fs/core/inode.h"

namespace narwhal {

// A range of device numbers of one type, mknod(2); it lives for ever ([[clang::no_destroy]]).
// `open` gets the rights-checked path; the device number is path.dentry->inode().special_device().
struct DeviceRange {
  ListNode node;
  u32 major;
  u32 first_minor;
  u32 last_minor;
  std::string_view name;  // in /proc/devices
  Result<FileRef> (*open)(const Path& path, OpenFlags flags);
};
// `type`: character or block device.
void register_device(FileType type, DeviceRange& device);
// For /proc/devices. `visit` runs under a spinlock.
void for_each_device(FileType type, void (*visit)(const DeviceRange& device, void* argument),
                     void* argument);
// ENXIO when nobody serves the number.
Result<FileRef> open_device(const Path& path, OpenFlags flags);

// Opens an end of the pipe behind a FIFO (fifo(7)); the pipe is kept as the inode's attachment.
using FifoOpener = Result<FileRef> (*)(const Path& path, OpenFlags flags);
void set_fifo_opener(FifoOpener opener);
Result<FileRef> open_fifo(const Path& path, OpenFlags flags);

// The object behind a FIFO or a bound socket. get: null when there is none.
Ref<RefCounted> inode_attachment(Inode& inode);
// Keeps `object` if there is none yet; returns what is kept. ENOMEM.
Result<Ref<RefCounted>> attach_if_none(Inode& inode, Ref<RefCounted> object);
// Takes it off if it is `object`.
void detach_from_inode(Inode& inode, const RefCounted* object);

}  // namespace narwhal
