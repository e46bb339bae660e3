#include "process/proc/memory_file.h"

#include "fs/core/vfs.h"
#include "process/foreign_memory.h"

namespace narwhal {
namespace {

// Of the memory that the process had when it was opened: when it has ended, or runs another
// program, there is nothing left to read.
class OpenedMemory : public File {
 public:
  OpenedMemory(const Path& path, OpenFlags flags, Ref<Task> task, Ref<AddressSpace> memory)
      : File(flags), path_(path), task_(std::move(task)), memory_(std::move(memory)) {}

  Result<usize> read(IoBuffer& to) override { return read_at_position(to); }
  Result<usize> write(IoBuffer& from) override { return write_at_position(from); }
  // Any address, those of the kernel's half too, where nothing can be read.
  Result<i64> seek(i64 offset, int whence) override {
    constexpr int kSet = 0, kCurrent = 1;
    if (whence != kSet && whence != kCurrent) return Errno::kInval;
    Guard guard(position_mutex_);
    position_ = whence == kSet ? u64(offset) : position_ + u64(offset);
    return i64(position_);
  }
  bool seekable() const override { return true; }
  Result<> stat(abi::Stat& out) override { return path_.dentry->inode().stat(out); }
  const Path* path() const override { return &path_; }
  Result<String> link_text() const override { return vfs::path_text(path_); }
  Kind kind() const override { return Kind::kRegular; }

 protected:
  bool is_there() const { return memory_ && task_->memory_copy() == memory_; }
  AddressSpace& memory() const { return *memory_; }

 private:
  const Path path_;
  const Ref<Task> task_;
  const Ref<AddressSpace> memory_;
};

class OpenMemory final : public OpenedMemory {
 public:
  using OpenedMemory::OpenedMemory;

  Result<usize> read_at(IoBuffer& to, u64 offset) override {
    return move(to, offset, [&](std::span<std::byte> buffer, UserAddr at) -> Result<usize> {
      const usize have = read_by_force(memory(), at, buffer);
      if (have == 0) return usize{0};
      return to.write(buffer.data(), have);
    });
  }
  Result<usize> write_at(IoBuffer& from, u64 offset) override {
    return move(from, offset, [&](std::span<std::byte> buffer, UserAddr at) -> Result<usize> {
      const usize have = TRY(from.read(buffer.data(), buffer.size()));
      return write_by_force(memory(), at, buffer.first(have));
    });
  }

 private:
  template <typename Step>
  Result<usize> move(IoBuffer& buffer, u64 offset, Step step) {
    constexpr usize kPiece = 4 * kPageSize;
    if (!is_there()) return usize{0};
    Vector<std::byte> bytes;
    TRY(bytes.resize(kPiece));
    usize moved = 0;
    while (buffer.remaining() != 0) {
      const u64 at = offset + moved;
      if (at >= kUserEnd.value) break;
      usize size = buffer.remaining() < kPiece ? buffer.remaining() : kPiece;
      if (size > kUserEnd.value - at) size = usize(kUserEnd.value - at);
      auto done = step({bytes.data(), size}, UserAddr(at));
      if (!done.ok() && moved == 0) return done;
      if (!done.ok() || done.value() == 0) break;
      moved += done.value();
      if (done.value() < size) break;
    }
    if (moved == 0 && buffer.remaining() != 0) return Errno::kIo;
    return moved;
  }
};

// A word for each page of the program's half, at eight times its number.
class OpenPageMap final : public OpenedMemory {
 public:
  using OpenedMemory::OpenedMemory;

  Result<usize> read_at(IoBuffer& to, u64 offset) override {
    constexpr u64 kFrameNumber = (u64{1} << 55) - 1;
    if (!is_there()) return usize{0};
    if (offset % sizeof(u64) != 0 || to.remaining() % sizeof(u64) != 0) return Errno::kInval;
    const bool shows_frames = current_task().credentials().capable(Capability::kSysAdmin);
    u64 words[64];
    usize moved = 0;
    for (u64 page = offset / sizeof(u64); page < kUserEnd.value / kPageSize;) {
      usize count = to.remaining() / sizeof(u64);
      if (count == 0) break;
      if (count > std::size(words)) count = std::size(words);
      if (count > kUserEnd.value / kPageSize - page) count = kUserEnd.value / kPageSize - page;
      memory().page_map(UserAddr(page * kPageSize), {words, count});
      if (!shows_frames)
        for (u64& word : words) word &= ~kFrameNumber;
      auto done = to.write(words, count * sizeof(u64));
      if (!done.ok() && moved == 0) return done;
      if (!done.ok()) break;
      moved += done.value();
      if (done.value() < count * sizeof(u64)) break;
      page += count;
    }
    return moved;
  }
};

template <typename Opened>
class MemoryFile final : public GeneratedInode {
 public:
  MemoryFile(GeneratedFileSystem& fs, const ProcTarget& target, u32 mode, u32 uid, u32 gid)
      : GeneratedInode(fs, FileType::kRegular, mode, uid, gid), target_(target) {}

  Result<FileRef> open(const Path& path, OpenFlags flags) override {
    ProcSubject subject = TRY(target_.resolve());
    if (!subject.task) return Errno::kSrch;
    if (!subject.inspectable()) return Errno::kAcces;
    auto memory = subject.memory();
    return FileRef(TRY(make_ref<Opened>(path, flags, std::move(subject.task), std::move(memory))));
  }
  bool still_valid() const override { return target_.resolve().ok(); }

 private:
  ProcTarget target_;
};

}  // namespace

Result<Ref<Inode>> make_proc_memory_file(GeneratedFileSystem& fs, const ProcTarget& target, u32 uid,
                                         u32 gid) {
  return Ref<Inode>(TRY(make_ref<MemoryFile<OpenMemory>>(fs, target, 0600, uid, gid)));
}

Result<Ref<Inode>> make_proc_page_map(GeneratedFileSystem& fs, const ProcTarget& target, u32 uid,
                                      u32 gid) {
  return Ref<Inode>(TRY(make_ref<MemoryFile<OpenPageMap>>(fs, target, 0400, uid, gid)));
}

}  // namespace narwhal
