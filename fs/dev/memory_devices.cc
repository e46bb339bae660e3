#include "fs/dev/memory_devices.h"

#include "fs/dev/device_file.h"
#include "kernel/abi/ioctl.h"
#include "kernel/random/random.h"

namespace narwhal {
namespace {

Result<usize> swallow(IoBuffer& from) {
  const usize size = from.remaining();
  from.skip(size);
  return size;
}

// What null, zero and full have in common: lseek(2) goes nowhere and always succeeds.
class MemoryDeviceFile : public DeviceFile {
 public:
  using DeviceFile::DeviceFile;
  Result<usize> read_at(IoBuffer& to, u64) override { return read(to); }
  Result<usize> write_at(IoBuffer& from, u64) override { return write(from); }
  Result<i64> seek(i64, int) override { return i64{0}; }
  bool seekable() const override { return true; }
};

class NullFile final : public MemoryDeviceFile {
 public:
  using MemoryDeviceFile::MemoryDeviceFile;
  Result<usize> read(IoBuffer&) override { return usize{0}; }
  Result<usize> write(IoBuffer& from) override { return swallow(from); }
};

class ZeroFile final : public MemoryDeviceFile {
 public:
  using MemoryDeviceFile::MemoryDeviceFile;
  Result<usize> read(IoBuffer& to) override { return to.write_zeros(to.remaining()); }
  Result<usize> write(IoBuffer& from) override { return swallow(from); }
  // A private mapping is anonymous memory; a shared one is memory that only this mapping, and its
  // copies after fork(2), have in common.
  Result<> mmap(MapRequest& request) override {
    if (!has(request.flags, MapFlags::kShared)) {
      request.flags |= MapFlags::kAnonymous;
      request.object = nullptr;
      request.object_offset = 0;
      return {};
    }
    auto object = TRY(make_ref<MemoryObject>());
    object->set_size(align_up(request.length, kPageSize));
    request.object = std::move(object);
    request.object_offset = 0;
    return {};
  }
};

class FullFile final : public MemoryDeviceFile {
 public:
  using MemoryDeviceFile::MemoryDeviceFile;
  Result<usize> read(IoBuffer& to) override { return to.write_zeros(to.remaining()); }
  Result<usize> write(IoBuffer&) override { return Errno::kNoSpc; }
};

[[clang::no_destroy]] constinit WaitQueue
    random_queue;  // nobody ever wakes it: random numbers are always there

class RandomFile final : public DeviceFile {
 public:
  using DeviceFile::DeviceFile;
  Result<usize> read(IoBuffer& to) override {
    usize total = 0;
    while (to.remaining() != 0) {
      std::byte chunk[256];
      const usize size = to.remaining() < sizeof chunk ? to.remaining() : sizeof chunk;
      fill_random({chunk, size});
      auto moved = to.write(chunk, size);
      if (!moved.ok()) {
        if (total != 0) break;
        return moved.error();
      }
      total += moved.value();
      if (moved.value() < size) break;
    }
    return total;
  }
  Result<usize> write(IoBuffer& from) override {
    usize total = 0;
    while (from.remaining() != 0) {
      std::byte chunk[256];
      auto moved = from.read(chunk, sizeof chunk);
      if (!moved.ok()) {
        if (total != 0) break;
        return moved.error();
      }
      add_entropy({chunk, moved.value()});
      total += moved.value();
    }
    return total;
  }
  Result<usize> read_at(IoBuffer& to, u64) override { return read(to); }
  Result<usize> write_at(IoBuffer& from, u64) override { return write(from); }
  Result<i64> seek(i64, int) override { return i64{0}; }
  bool seekable() const override { return true; }
  Result<i64> ioctl(u32 command, UserAddr argument) override {
    constexpr u32 kGetEntropyCount = 0x80045200;  // RNDGETENTCNT
    constexpr i32 kPoolBits = 256;
    // Linux says EINVAL, not ENOTTY, to what it does not know here.
    if (command != kGetEntropyCount) return Errno::kInval;
    TRY(store_user(argument, kPoolBits));
    return i64{0};
  }
  // On Linux only the first of the two can be asked.
  WaitQueue* poll_queue() override {
    return device_minor(inode()->special_device()) == u32(MemoryDevice::kRandom) ? &random_queue
                                                                                 : nullptr;
  }
};

Result<FileRef> open_memory_device(const Path& path, OpenFlags flags) {
  switch (MemoryDevice(device_minor(path.dentry->inode().special_device()))) {
    case MemoryDevice::kNull:
      return FileRef(TRY(make_ref<NullFile>(path, flags)));
    case MemoryDevice::kZero:
      return FileRef(TRY(make_ref<ZeroFile>(path, flags)));
    case MemoryDevice::kFull:
      return FileRef(TRY(make_ref<FullFile>(path, flags)));
    case MemoryDevice::kRandom:
    case MemoryDevice::kUrandom:
      return FileRef(TRY(make_ref<RandomFile>(path, flags)));
  }
  return Errno::kNxIo;
}

[[clang::no_destroy]] constinit DeviceRange memory_devices{{},    kMemoryMajor,      0, 255,
                                                               "mem", open_memory_device};

}  // namespace

void register_memory_devices() {
  register_device(FileType::kCharacterDevice, memory_devices);
}

}  // namespace narwhal
