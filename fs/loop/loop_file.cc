// /dev/loopN, opened: transfers, and the ioctls of loop(4) and of every block device.
#include <cstring>

#include "fs/block/ioctl.h"
#include "fs/core/special_file.h"
#include "fs/dev/device_file.h"
#include "fs/loop/loop_device.h"
#include "kernel/abi/block.h"

namespace narwhal {
namespace {

class LoopFile final : public DeviceFile {
 public:
  LoopFile(LoopDevice& device, const Path& path, OpenFlags flags)
      : DeviceFile(path, flags), device_(device) {
    device.opened();
  }

  Result<usize> read(IoBuffer& to) override { return read_at_position(to); }
  Result<usize> write(IoBuffer& from) override { return write_at_position(from); }
  Result<usize> read_at(IoBuffer& to, u64 offset) override;
  Result<usize> write_at(IoBuffer& from, u64 offset) override;
  Result<i64> seek(i64 offset, int whence) override {
    const u64 size = device_.size();
    return seek_position(offset, whence, size, size);
  }
  bool seekable() const override { return true; }
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  Result<i64> ioctl_about(u32 command, UserAddr argument, FileRef other) override;
  Result<> sync(bool data_only) override;

 private:
  ~LoopFile() override { device_.closed(); }
  Result<i64> block_ioctl(u32 command, UserAddr argument);

  LoopDevice& device_;
};

Result<usize> LoopFile::read_at(IoBuffer& to, u64 offset) {
  const LoopDevice::View view = device_.view();
  if (offset >= view.size) return usize{0};
  const usize cut = to.truncate(view.size - offset);
  auto moved = view.file->read_at(to, view.offset + offset);
  to.extend(cut);
  return moved;
}

Result<usize> LoopFile::write_at(IoBuffer& from, u64 offset) {
  const LoopDevice::View view = device_.view();
  if (from.remaining() == 0) return usize{0};
  if (view.read_only) return Errno::kPerm;
  if (offset >= view.size) return Errno::kNoSpc;
  // Limits and modes of the caller are about files, not about devices.
  from.rules = {};
  const usize cut = from.truncate(view.size - offset);
  auto moved = view.file->write_at(from, view.offset + offset);
  from.extend(cut);
  return moved;
}

Result<> LoopFile::sync(bool data_only) {
  const LoopDevice::View view = device_.view();
  if (!view.file) return {};
  return view.file->sync(data_only);
}

abi::LoopInfo64 widened(const abi::LoopInfo& old) {
  abi::LoopInfo64 info{};
  info.offset = u64(i64{old.offset});
  info.encrypt_type = u32(old.encrypt_type);
  info.encrypt_key_size = u32(old.encrypt_key_size);
  info.flags = u32(old.flags);
  std::memcpy(info.file_name, old.name, sizeof info.file_name);
  std::memcpy(info.encrypt_key, old.encrypt_key, sizeof info.encrypt_key);
  info.init[0] = old.init[0];
  info.init[1] = old.init[1];
  return info;
}

// EOVERFLOW for an offset that the old form has no room for.
Result<abi::LoopInfo> narrowed(const abi::LoopInfo64& info) {
  if (info.offset > 0x7fffffff) return Errno::kOverflow;
  abi::LoopInfo old{};
  old.number = i32(info.number);
  old.device = info.device;
  old.inode = info.inode;
  old.rdevice = info.rdevice;
  old.offset = i32(info.offset);
  old.flags = i32(info.flags);
  std::memcpy(old.name, info.file_name, sizeof old.name);
  old.init[0] = info.init[0];
  old.init[1] = info.init[1];
  return old;
}

Result<i64> done(Result<> result) {
  if (!result.ok()) return result.error();
  return i64{0};
}

template <typename T>
Result<i64> answer(UserAddr argument, T value) {
  return done(store_user(argument, value));
}

Result<i64> LoopFile::ioctl(u32 command, UserAddr argument) {
  switch (command) {
    case abi::kLoopClearFd:
      return done(device_.unbind());
    case abi::kLoopSetStatus:
      return done(device_.set_status(widened(TRY(load_user<abi::LoopInfo>(argument)))));
    case abi::kLoopSetStatus64:
      return done(device_.set_status(TRY(load_user<abi::LoopInfo64>(argument))));
    case abi::kLoopGetStatus:
      return answer(argument, TRY(narrowed(TRY(device_.status()))));
    case abi::kLoopGetStatus64:
      return answer(argument, TRY(device_.status()));
    case abi::kLoopSetCapacity:
      return done(device_.refresh_size());
    case abi::kLoopSetDirectIo:
      // Transfers reach the file's own pages in any case; there is no cache to go around.
      if (!device_.bound()) return Errno::kNxIo;
      return argument.value == 0 ? Result<i64>(i64{0}) : Errno::kInval;
    case abi::kLoopSetBlockSize:
      if (argument.value > kPageSize) return device_.bound() ? Errno::kInval : Errno::kNxIo;
      return done(device_.set_block_size(u32(argument.value)));
    default:
      return block_ioctl(command, argument);
  }
}

Result<i64> LoopFile::block_ioctl(u32 command, UserAddr argument) {
  const LoopDevice::View view = device_.view();
  switch (command) {
    case abi::kBlkSetReadAhead:
      device_.set_read_ahead(u32(argument.value));
      return i64{0};
    case abi::kBlkFlush:
      return done(sync(false));
    case abi::kBlkRereadPartitions:
      return Errno::kInval;  // as a disk that has no partitions
    case abi::kBlkDiscard:
      return Errno::kOpNotSupp;
    default:
      return block_question(command, argument,
                            {.size = view.size,
                             .read_only = view.read_only,
                             .logical_block = view.block_size,
                             .physical_block = view.block_size,
                             .minimum_io = view.block_size,
                             .read_ahead = device_.read_ahead()});
  }
}

Result<i64> LoopFile::ioctl_about(u32 command, UserAddr argument, FileRef other) {
  switch (command) {
    case abi::kLoopSetFd:
      return done(device_.bind(std::move(other), {}, 0, writable()));
    case abi::kLoopChangeFd:
      return done(device_.change_file(std::move(other)));
    case abi::kLoopConfigure: {
      const auto config = TRY(load_user<abi::LoopConfig>(argument));
      for (const u64 reserved : config.reserved)
        if (reserved != 0) return Errno::kInval;
      return done(device_.bind(std::move(other), config.info, config.block_size, writable()));
    }
    default:
      return Errno::kNotTty;
  }
}

Result<FileRef> open_loop(const Path& path, OpenFlags flags) {
  LoopDevice* device = LoopDevice::find(device_minor(path.dentry->inode().special_device()));
  if (!device) return Errno::kNxIo;
  return FileRef(TRY(make_ref<LoopFile>(*device, path, flags)));
}

// --- /dev/loop-control

class ControlFile final : public DeviceFile {
 public:
  using DeviceFile::DeviceFile;
  Result<i64> ioctl(u32 command, UserAddr argument) override {
    switch (command) {
      case abi::kLoopControlGetFree:
        return i64{TRY(LoopDevice::find_free())};
      case abi::kLoopControlAdd:
        // A negative number asks for any new one.
        return i64(argument.value) >= 0 && argument.value < LoopDevice::kCount ? Errno::kExist
                                                                               : Errno::kNoSpc;
      case abi::kLoopControlRemove:
        if (i64(argument.value) < 0) return Errno::kInval;
        return argument.value < LoopDevice::kCount ? Errno::kBusy : Errno::kNoDev;
      default:
        return Errno::kNoSys;  // what Linux's says, too
    }
  }
};

Result<FileRef> open_control(const Path& path, OpenFlags flags) {
  return FileRef(TRY(make_ref<ControlFile>(path, flags)));
}

constexpr u32 kMiscMajor = 10;
constexpr u32 kLoopControlMinor = 237;
[[clang::no_destroy]] constinit DeviceRange loop_devices{
    {}, LoopDevice::kMajor, 0, LoopDevice::kCount - 1, "loop", open_loop};
[[clang::no_destroy]] constinit DeviceRange control_device{
    {}, kMiscMajor, kLoopControlMinor, kLoopControlMinor, "misc", open_control};

}  // namespace

void loop_init() {
  register_device(FileType::kBlockDevice, loop_devices);
  register_device(FileType::kCharacterDevice, control_device);
}

}  // namespace narwhal
