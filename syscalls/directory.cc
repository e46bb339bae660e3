// getdents(2), getdents64(2).
#include "process/task.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

// Entries are put together here and copied out once: the file system that lists them may hold a
// lock. A call may always return less than what fits.
constexpr usize kMaxBytes = 32 * kKiB;

constexpr usize kNameOffset64 = 19;  // offsetof(linux_dirent64, d_name)
constexpr usize kNameOffset = 18;    // offsetof(linux_dirent, d_name)

class EntryWriter final : public DirectoryVisitor {
 public:
  enum class Format : u8 { kOld, k64 };

  explicit EntryWriter(Format format) : format_(format) {}
  ~EntryWriter() { ::operator delete(buffer_); }
  Result<> reserve(usize size) {
    capacity_ = size < kMaxBytes ? size : kMaxBytes;
    buffer_ = static_cast<char*>(::operator new(capacity_ ? capacity_ : 1, std::nothrow));
    return buffer_ ? Result<>() : Result<>(Errno::kNoMem);
  }

  bool entry(std::string_view name, u64 inode, FileType type, i64 next_offset) override {
    // The name's NUL; the old format has the type in the last byte.
    const usize head = format_ == Format::k64 ? kNameOffset64 : kNameOffset;
    const usize tail = format_ == Format::k64 ? 1 : 2;
    const usize size = (head + name.size() + tail + 7) & ~usize{7};
    if (size > capacity_ - size_) {
      full_ = true;
      return false;
    }
    char* at = buffer_ + size_;
    std::memset(at, 0, size);
    const u16 length = u16(size);
    const u8 kind = u8(u16(type) >> 12);  // DT_*
    std::memcpy(at, &inode, 8);
    std::memcpy(at + 8, &next_offset, 8);
    std::memcpy(at + 16, &length, 2);
    if (format_ == Format::k64)
      at[18] = char(kind);
    else
      at[size - 1] = char(kind);
    std::memcpy(at + head, name.data(), name.size());
    size_ += size;
    return true;
  }

  // The bytes written; EINVAL when not even one entry fits.
  SysResult copy_out(UserAddr to) const {
    if (size_ == 0) return full_ ? SysResult(Errno::kInval) : SysResult(i64{0});
    if (platform::copy_to_user(to, buffer_, size_) != 0) return Errno::kFault;
    return i64(size_);
  }

 private:
  const Format format_;
  bool full_ = false;
  char* buffer_ = nullptr;
  usize capacity_ = 0;
  usize size_ = 0;
};

SysResult read_entries(Task& task, Fd fd, UserAddr to, u32 size, EntryWriter::Format format) {
  auto file = TRY(task.files().get(fd.value));
  EntryWriter writer(format);
  TRY(writer.reserve(size));
  constexpr int kSet = 0, kCurrent = 1;
  const auto before = file->seek(0, kCurrent);
  TRY(file->read_directory(writer));
  SysResult copied = writer.copy_out(to);
  // Entries that did not arrive come again.
  if (copied.failed(Errno::kFault) && before.ok()) file->seek(before.value(), kSet).ignore();
  return copied;
}

}  // namespace

SysResult sys::getdents(Task& task, Fd fd, UserAddr entries, u32 size) {
  return read_entries(task, fd, entries, size, EntryWriter::Format::kOld);
}
SysResult sys::getdents64(Task& task, Fd fd, UserAddr entries, u32 size) {
  return read_entries(task, fd, entries, size, EntryWriter::Format::k64);
}

}  // namespace narwhal
