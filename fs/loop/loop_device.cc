#include "fs/loop/loop_device.h"

#include "fs/core/inode.h"

namespace narwhal {
namespace {

[[clang::no_destroy]] constinit LoopDevice devices[LoopDevice::kCount];

constexpr u32 kFlagsAtBinding =
    abi::kLoopReadOnly | abi::kLoopAutoclear | abi::kLoopPartitionScan | abi::kLoopDirectIo;
// What LOOP_SET_STATUS may turn on; only the first of the two may be turned off again.
constexpr u32 kFlagsToSet = abi::kLoopAutoclear | abi::kLoopPartitionScan;
constexpr u32 kFlagsToClear = abi::kLoopAutoclear;

constexpr bool is_block_size(u32 size) {
  return size >= LoopDevice::kSectorSize && size <= kPageSize && (size & (size - 1)) == 0;
}

Result<> check_backing(const File& file) {
  const Inode* inode = file.inode();
  if (!inode || !inode->is_regular()) return Errno::kInval;
  return {};
}

Result<> check_info(const abi::LoopInfo64& info) {
  if (info.encrypt_type != 0 || info.encrypt_key_size > abi::kLoopKeySize) return Errno::kInval;
  if (info.offset > ~u64{0} >> 1 || info.size_limit > ~u64{0} >> 1) return Errno::kOverflow;
  return {};
}

// How much of `file` a device with these settings shows.
Result<u64> shown_size(File& file, const abi::LoopInfo64& info) {
  abi::Stat stat;
  TRY(file.stat(stat));
  const u64 end = u64(stat.size);
  u64 size = info.offset < end ? end - info.offset : 0;
  if (info.size_limit != 0 && info.size_limit < size) size = info.size_limit;
  return size & ~u64{LoopDevice::kSectorSize - 1};
}

}  // namespace

LoopDevice* LoopDevice::find(u32 number) {
  return number < kCount ? &devices[number] : nullptr;
}

Result<u32> LoopDevice::find_free() {
  for (LoopDevice& device : devices)
    if (!device.bound()) return device.number();
  return Errno::kNoSpc;
}

u32 LoopDevice::number() const {
  return u32(this - devices);
}

LoopDevice::View LoopDevice::view() {
  SpinGuard guard(lock_);
  return {state_.file, state_.info.offset, state_.size, state_.block_size,
          (state_.info.flags & abi::kLoopReadOnly) != 0};
}

bool LoopDevice::bound() {
  SpinGuard guard(lock_);
  return bool(state_.file);
}

Result<> LoopDevice::bind(FileRef file, const abi::LoopInfo64& info, u32 block_size,
                          bool device_writable) {
  TRY(check_backing(*file));
  if (info.flags & ~kFlagsAtBinding) return Errno::kInval;
  TRY(check_info(info));
  if (block_size != 0 && !is_block_size(block_size)) return Errno::kInval;
  State fresh{.file = file, .info = info, .size = TRY(shown_size(*file, info))};
  if (block_size != 0) fresh.block_size = block_size;
  if (!device_writable || !file->writable()) fresh.info.flags |= abi::kLoopReadOnly;
  SpinGuard guard(lock_);
  if (state_.file) return Errno::kBusy;
  std::swap(state_, fresh);
  return {};
}

Result<> LoopDevice::unbind() {
  State dropped;  // after the lock
  SpinGuard guard(lock_);
  if (!state_.file) return Errno::kNxIo;
  if (openers_ > 1)
    state_.info.flags |= abi::kLoopAutoclear;
  else
    std::swap(state_, dropped);
  return {};
}

Result<> LoopDevice::change_file(FileRef file) {
  const View now = view();
  if (!now.file) return Errno::kNxIo;
  if (!now.read_only) return Errno::kInval;
  TRY(check_backing(*file));
  const abi::LoopInfo64 info = TRY(status());
  if (TRY(shown_size(*file, info)) != now.size) return Errno::kInval;
  SpinGuard guard(lock_);
  if (state_.file != now.file) return Errno::kBusy;
  std::swap(state_.file, file);
  return {};
}

Result<abi::LoopInfo64> LoopDevice::status() {
  abi::LoopInfo64 info;
  FileRef file;
  {
    SpinGuard guard(lock_);
    file = state_.file;
    info = state_.info;
  }
  if (!file) return Errno::kNxIo;
  abi::Stat stat;
  TRY(file->stat(stat));
  info.device = stat.device;
  info.inode = stat.inode;
  info.rdevice = stat.special_device;
  info.number = number();
  return info;
}

Result<> LoopDevice::set_status(const abi::LoopInfo64& info) {
  const View now = view();
  if (!now.file) return Errno::kNxIo;
  TRY(check_info(info));
  const u64 size = TRY(shown_size(*now.file, info));
  SpinGuard guard(lock_);
  if (state_.file != now.file) return Errno::kNxIo;
  const u32 before = state_.info.flags;
  state_.info = info;
  state_.info.flags = (info.flags & kFlagsToSet) | (before & ~kFlagsToClear);
  state_.info.file_name[abi::kLoopNameSize - 1] = '\0';
  state_.info.crypt_name[abi::kLoopNameSize - 1] = '\0';
  state_.size = size;
  return {};
}

Result<> LoopDevice::refresh_size() {
  const View now = view();
  if (!now.file) return Errno::kNxIo;
  const u64 size = TRY(shown_size(*now.file, TRY(status())));
  SpinGuard guard(lock_);
  if (state_.file == now.file) state_.size = size;
  return {};
}

Result<> LoopDevice::set_block_size(u32 size) {
  SpinGuard guard(lock_);
  if (!state_.file) return Errno::kNxIo;
  if (!is_block_size(size)) return Errno::kInval;
  state_.block_size = size;
  return {};
}

void LoopDevice::opened() {
  SpinGuard guard(lock_);
  ++openers_;
}

void LoopDevice::closed() {
  State dropped;  // after the lock
  SpinGuard guard(lock_);
  if (--openers_ == 0 && (state_.info.flags & abi::kLoopAutoclear)) std::swap(state_, dropped);
}

}  // namespace narwhal
