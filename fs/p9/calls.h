// The calls of 9P2000.L that inodes and files make, one function each. Errors are the server's.
#pragma once

#include "fs/core/file_system.h"
#include "fs/core/io_buffer.h"
#include "fs/p9/session.h"

namespace narwhal::p9 {

// A number that several may use at once, and that lives as long as somebody does.
class File9 : public RefCounted {
 public:
  File9(Session& session, Fid fid) : session(session), fid(std::move(fid)) {}
  Session& session;
  Fid fid;
};
using File9Ref = Ref<File9>;

struct Attributes {
  Qid qid;
  u32 mode = 0;  // type and permissions
  u32 uid = 0, gid = 0;
  u64 links = 0, device = 0, size = 0, block_size = 0, blocks = 0;
  abi::TimeSpec accessed{}, modified{}, changed{};

  FileType type() const { return FileType(mode & kFileTypeMask); }
};
Result<Attributes> get_attributes(const File9& file);
Result<> set_attributes(const File9& file, const AttributeChange& change);

// The server's open(2): the bits are those of x86-64 Linux.
enum class Open9 : u32 {
  kReadOnly = 0,
  kWriteOnly = 1,
  kReadWrite = 2,
  kCreate = 0100,
  kExclusive = 0200,
  kDirectory = 0200000
};
ENABLE_FLAGS(Open9);
// Opens a number for reading or writing.
Result<> open(const File9& file, Open9 flags);
// Makes a regular file and opens it for both; `directory` becomes the new file's number.
Result<> create(const File9& directory, std::string_view name, u32 mode, u32 gid);
// Whatever else has a name: directories, devices, FIFOs, sockets.
Result<> make_node(const File9& directory, std::string_view name, FileType type, u32 mode,
                   u64 device, u32 gid);
Result<> make_symlink(const File9& directory, std::string_view name, std::string_view target,
                      u32 gid);
Result<> link(const File9& directory, std::string_view name, const File9& target);
Result<> unlink(const File9& directory, std::string_view name, bool is_directory);
Result<> rename(const File9& from, std::string_view name, const File9& to,
                std::string_view new_name);
Result<String> read_link(const File9& file);

// Bytes at `offset`, at most `size` and what one call can move; none mean the end. They lie in the
// call's own buffer, which whoever takes them may change.
class ByteTaker {
 public:
  // Returns how many were taken.
  virtual Result<usize> take(u64 offset, std::span<std::byte> bytes) = 0;

 protected:
  ~ByteTaker() = default;
};
Result<usize> read(const File9& file, u64 offset, usize size, ByteTaker& taker);
// The same into a buffer.
Result<usize> read(const File9& file, u64 offset, IoBuffer& to);
// What was written is shown to `written`.
class WriteWatcher {
 public:
  virtual void written(u64 offset, std::span<const std::byte> bytes) = 0;

 protected:
  ~WriteWatcher() = default;
};
Result<usize> write(const File9& file, u64 offset, IoBuffer& from, WriteWatcher* watcher);
Result<> sync(const File9& file, bool data_only);

// Every entry of an open directory from `cookie` on, as far as one answer goes; false at the end.
class EntrySink {
 public:
  virtual Result<> entry(std::string_view name, u64 number, FileType type) = 0;

 protected:
  ~EntrySink() = default;
};
Result<bool> read_entries(const File9& directory, u64& cookie, EntrySink& sink);

Result<FileSystem::Usage> usage(const File9& file);

// Extended attributes; sizes as Inode's.
Result<usize> get_xattr(const File9& file, std::string_view name, std::span<std::byte> out);
Result<> set_xattr(const File9& file, std::string_view name, std::span<const std::byte> value,
                   int flags);

}  // namespace narwhal::p9
