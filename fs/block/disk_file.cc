// /dev/vda and its like, opened.
#include <cstring>

#include "fs/block/disk.h"
#include "fs/block/ioctl.h"
#include "fs/core/file_mapping.h"
#include "fs/core/special_file.h"
#include "fs/dev/dev.h"
#include "fs/dev/device_file.h"
#include "kernel/abi/block.h"
#include "kernel/base/format.h"

namespace narwhal {
namespace {

constexpr u32 kDiskGroup = 6;  // "disk", as Debian and Alpine number it

class DiskFile final : public DeviceFile {
 public:
  // EBUSY, ENOMEM.
  static Result<FileRef> open(Disk& disk, const Path& path, OpenFlags flags) {
    const bool exclusive = has(flags, OpenFlags::kExclusive);
    TRY(disk.opened(exclusive));
    auto* file = new (std::nothrow) DiskFile(disk, path, flags, exclusive);
    if (!file) {
      disk.closed(exclusive);
      return Errno::kNoMem;
    }
    return FileRef::adopt(file);
  }

  Result<usize> read(IoBuffer& to) override { return read_at_position(to); }
  Result<usize> write(IoBuffer& from) override { return write_at_position(from); }
  Result<usize> read_at(IoBuffer& to, u64 offset) override {
    return is_direct() ? disk_.read_direct(to, offset) : disk_.read(to, offset);
  }
  Result<usize> write_at(IoBuffer& from, u64 offset) override;
  Result<i64> seek(i64 offset, int whence) override {
    return seek_position(offset, whence, disk_.size(), disk_.size());
  }
  bool seekable() const override { return true; }
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  Result<> mmap(MapRequest& request) override;
  Result<> allocate(int mode, u64 offset, u64 length) override;
  Result<> sync(bool data_only) override;
  void descriptor_closed() override;
  Kind kind() const override { return Kind::kDisk; }

 private:
  struct Range {
    u64 start, length;
  };
  DiskFile(Disk& disk, const Path& path, OpenFlags flags, bool exclusive)
      : DeviceFile(path, flags),
        disk_(disk),
        is_exclusive_(exclusive),
        failures_seen_(disk.first_failure_to_tell()) {}
  ~DiskFile() override { disk_.closed(is_exclusive_); }

  bool is_direct() const { return has(flags(), OpenFlags::kDirect); }
  Result<> tell_failures();
  Result<Range> load_range(UserAddr argument) const;
  Result<i64> reread_partitions();

  Disk& disk_;
  const bool is_exclusive_;
  SpinLock<LockRank::kSpinOther> failures_lock_;
  u32 failures_seen_ TA_GUARDED_BY(failures_lock_);
};

// Limits and modes of the caller are about files, not about devices.
Result<usize> DiskFile::write_at(IoBuffer& from, u64 offset) {
  from.rules = {};
  const usize moved =
      TRY(is_direct() ? disk_.write_direct(from, offset) : disk_.write(from, offset));
  if (moved == 0 || !has(flags(), OpenFlags::kDataSync)) return moved;  // a part of O_SYNC, too
  TRY(disk_.pages().write_back(offset / kPageSize, div_round_up(offset + moved, kPageSize)));
  TRY(tell_failures());
  TRY(disk_.queue().flush());
  return moved;
}

// EIO, once for each failure that this description has not heard of.
Result<> DiskFile::tell_failures() {
  SpinGuard guard(failures_lock_);
  return disk_.has_failed(failures_seen_) ? Errno::kIo : Errno{};
}

Result<> DiskFile::sync(bool) {
  disk_.pages().write_back().ignore();  // told by the next line
  auto failed = tell_failures();
  TRY(disk_.queue().flush());
  return failed;
}

// The last close waits for what was written, as on Linux.
void DiskFile::descriptor_closed() {
  if (disk_.openers() == 1) disk_.pages().write_back().ignore();
}

Result<> DiskFile::mmap(MapRequest& request) {
  // Also where it is only going to be read: it might be made writable later.
  if (disk_.read_only() && has(request.flags, MapFlags::kShared) &&
      has(request.max_protection, Protection::kWrite))
    return Errno::kInval;
  request.source = TRY(make_ref<FileMapping>(FileRef(this), nullptr, false));
  request.object = Ref<MemoryObject>(&disk_.pages());
  return {};
}

// The modes of blkdev_fallocate() in Linux.
Result<> DiskFile::allocate(int mode, u64 offset, u64 length) {
  constexpr int kKeepSize = 1, kPunchHole = 2, kZeroRange = 16;
  const u64 block = disk_.traits().logical_block, size = disk_.size();
  if (mode & ~(kKeepSize | kPunchHole | kZeroRange)) return Errno::kOpNotSupp;
  if (offset >= size) return Errno::kInval;
  if (length > size - offset) {
    if (!(mode & kKeepSize)) return Errno::kInval;
    length = size - offset;
  }
  if ((offset | length) % block != 0) return Errno::kInval;
  switch (mode) {
    case kZeroRange:
    case kZeroRange | kKeepSize:
      return disk_.zero(offset, length, false);
    case kPunchHole | kKeepSize:
      return disk_.zero(offset, length, true);
    default:
      return Errno::kOpNotSupp;
  }
}

Result<DiskFile::Range> DiskFile::load_range(UserAddr argument) const {
  const Range range = TRY(load_user<Range>(argument));
  u64 end;
  if ((range.start | range.length) % kSectorSize != 0 || range.length == 0 ||
      __builtin_add_overflow(range.start, range.length, &end) || end > disk_.size())
    return Errno::kInval;
  return range;
}

// Where there are none, all are found. Where there is a table, it is not looked at: EINVAL, as from
// a disk that can have no partitions.
Result<i64> DiskFile::reread_partitions() {
  constexpr usize kSignatureAt = 510;
  constexpr char kSignature[] = {0x55, char(0xaa)};
  char sector[kSectorSize] = {};
  IoBuffer to(std::as_writable_bytes(std::span(sector, sizeof sector)));
  TRY(disk_.read(to, 0));
  if (std::memcmp(sector + kSignatureAt, kSignature, sizeof kSignature) == 0) return Errno::kInval;
  return i64{0};
}

Result<i64> done(Result<> result) {
  if (!result.ok()) return result.error();
  return i64{0};
}

Result<i64> DiskFile::ioctl(u32 command, UserAddr argument) {
  const BlockDevice::Traits& traits = disk_.traits();
  switch (command) {
    case abi::kBlkDiscard: {
      if (!writable()) return Errno::kBadF;
      if (traits.most_discarded == 0) return Errno::kOpNotSupp;
      const Range range = TRY(load_range(argument));
      // A wish, which a device may turn down.
      auto discarded = disk_.discard(range.start, range.length);
      if (discarded.failed(Errno::kOpNotSupp)) return i64{0};
      return done(std::move(discarded));
    }
    case abi::kBlkZeroOut: {
      if (!writable()) return Errno::kBadF;
      const Range range = TRY(load_range(argument));
      return done(disk_.zero(range.start, range.length, false));
    }
    case abi::kBlkSecureDiscard:
      return writable() ? Errno::kOpNotSupp : Errno::kBadF;
    case abi::kBlkSetReadOnly:
      disk_.set_read_only(TRY(load_user<i32>(argument)) != 0);
      return i64{0};
    case abi::kBlkFlush:
      TRY(disk_.pages().write_back());
      disk_.pages().drop(~u64{0});
      return i64{0};
    case abi::kBlkSetReadAhead:
      disk_.pages().set_read_ahead(argument.value * kSectorSize / kPageSize);
      return i64{0};
    case abi::kBlkRereadPartitions:
      return reread_partitions();
    case abi::kBlkRotational:
      TRY(store_user(argument, u16{1}));  // as virtio's are to Linux
      return i64{0};
    case abi::kDiskGeometry: {
      if (argument.value == 0) return Errno::kInval;
      // These are what Linux makes up for a virtio disk that says nothing of its own.
      constexpr u8 kHeads = 64, kSectors = 32;
      const abi::DiskGeometry geometry{kHeads, kSectors, u16(traits.sectors / kHeads / kSectors), 0,
                                       0};
      TRY(store_user(argument, geometry));
      return i64{0};
    }
    default:
      return block_question(
          command, argument,
          {.size = disk_.size(),
           .read_only = disk_.read_only(),
           .logical_block = traits.logical_block,
           .physical_block = traits.physical_block,
           .minimum_io = traits.minimum_io != 0 ? traits.minimum_io : traits.physical_block,
           .optimal_io = traits.optimal_io,
           .alignment = traits.alignment,
           .read_ahead = u32(disk_.pages().read_ahead() * (kPageSize / kSectorSize))});
  }
}

Result<FileRef> open_disk(const Path& path, OpenFlags flags) {
  const u32 minor = device_minor(path.dentry->inode().special_device());
  Disk* disk = minor % Disk::kMinorsOfEach == 0 ? Disk::find(minor / Disk::kMinorsOfEach) : nullptr;
  if (!disk) return Errno::kNxIo;
  return DiskFile::open(*disk, path, flags);
}

[[clang::no_destroy]] constinit DeviceRange disk_numbers{
    {}, Disk::kMajor, 0, (Disk::kMost * Disk::kMinorsOfEach) - 1, "virtblk", open_disk};

// /dev/disk/by-id, as udev(7) makes it: by the serial numbers that devices have. Of two that are
// the same the first counts.
Result<> add_serials(TmpFs& dev, const Ref<Dentry>& root, TmpFs::Attributes attributes) {
  attributes.mode = 0755;
  Ref<Dentry> folder = root;
  for (const std::string_view name : {"disk", "by-id"})
    folder = TRY(dev.add_name(folder, name, TRY(dev.make_inode(FileType::kDirectory, attributes))));
  for (u32 i = 0; Disk* disk = Disk::find(i); ++i) {
    if (disk->traits().serial.empty()) continue;
    Text<40> name, target;
    name << "virtio-" << disk->traits().serial;
    target << "../../" << disk->name();
    auto added =
        dev.add_name(folder, name.view(), TRY(dev.make_symlink(attributes, target.view())));
    if (!added.ok() && !added.failed(Errno::kExist)) return added.error();
  }
  return {};
}

}  // namespace

Result<> disks_init() {
  if (!Disk::find(0)) return {};
  register_device(FileType::kBlockDevice, disk_numbers);
  const Ref<TmpFs> dev = TRY(dev_file_system());
  const Ref<Dentry> root = TRY(dev->root());
  TmpFs::Attributes attributes;
  attributes.time = root->inode().modified();
  TRY(add_serials(*dev, root, attributes));
  for (u32 i = 0; Disk* disk = Disk::find(i); ++i) {
    attributes.mode = 0660;
    attributes.gid = kDiskGroup;
    attributes.device = make_device(Disk::kMajor, disk->minor());
    TRY(dev->add_name(root, disk->name(),
                      TRY(dev->make_inode(FileType::kBlockDevice, attributes))));
  }
  return {};
}

}  // namespace narwhal
