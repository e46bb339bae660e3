// Inode: a file-system object, apart from its names. Dentry: a name in a directory that leads to
// one. Mount: a file system set upon a directory.
//
// Names live in a tree of dentries. A file system in memory (tmpfs) keeps all its dentries; one
// that makes up its content (procfs) makes dentries as they are asked for and lets them go.
#pragma once

#include "fs/core/file.h"
#include "kernel/base/string.h"

namespace narwhal {

class FileSystem;
class Inode;

struct AttributeChange {
  enum class Field : u32 {
    kMode = 1,
    kUid = 2,
    kGid = 4,
    kSize = 8,
    kAccessTime = 16,
    kModifyTime = 32,
    kChangeTime = 64
  };
  u32 fields = 0;
  u32 mode = 0;
  u32 uid = 0;
  u32 gid = 0;
  u64 size = 0;
  abi::TimeSpec accessed{};
  abi::TimeSpec modified{};
};

class Inode : public RefCounted {
 public:
  Inode(FileSystem& file_system, FileType type, u64 number)
      : file_system_(file_system), number_(number), type_(type) {}

  FileType type() const { return type_; }
  bool is_directory() const { return type_ == FileType::kDirectory; }
  bool is_symlink() const { return type_ == FileType::kSymlink; }
  bool is_regular() const { return type_ == FileType::kRegular; }
  u64 number() const { return number_; }
  FileSystem& file_system() const { return file_system_; }

  virtual Result<> stat(abi::Stat& out) = 0;
  // Rights have been checked. EPERM for file systems that do not allow it.
  virtual Result<> set_attributes(const AttributeChange& change);

  // --- directories. Called with the directory's entries locked for writing where they change; the
  // dentry tree is updated by the caller (fs/core/namei.cc). Names are checked (not empty, no '/',
  // at most 255 bytes). ------------
  virtual Result<Ref<Inode>> lookup(std::string_view name);  // ENOENT
  virtual Result<Ref<Inode>> create(std::string_view name, FileType type, u32 mode, u64 device,
                                    const Credentials& who);
  virtual Result<Ref<Inode>> create_symlink(std::string_view name, std::string_view target,
                                            const Credentials& who);
  virtual Result<Ref<Inode>> create_unnamed(u32 mode,
                                            const Credentials& who);  // O_TMPFILE; EOPNOTSUPP
  virtual Result<> link(std::string_view name, Inode& target);
  virtual Result<> unlink(std::string_view name, Inode& target);  // also rmdir: ENOTEMPTY
  virtual Result<> rename(std::string_view name, Inode& target, Inode& new_directory,
                          std::string_view new_name, Inode* replaced, u32 flags);
  // Entries from `offset` on (0: from the first after "." and ".."), for file systems that make up
  // their content.
  virtual Result<> read_directory(i64 offset, DirectoryVisitor& visitor);

  // --- others
  // ----------------------------------------------------------------------------------------------------
  virtual Result<String> read_link();  // EINVAL
  // A magic link (/proc/self/fd/3): leads to a place, not to a path. An empty result: not one of
  // these.
  virtual Result<Ref<Dentry>> follow_magic_link();
  virtual Result<FileRef> open(Ref<Dentry> dentry, OpenFlags flags) = 0;
  virtual Result<> truncate(u64 size);
  virtual Result<Ref<MemoryObject>> memory_object();  // ENODEV

  // Extended attributes, xattr(7). EOPNOTSUPP by default.
  virtual Result<usize> get_xattr(std::string_view name, std::span<std::byte> out);
  virtual Result<> set_xattr(std::string_view name, std::span<const std::byte> value, int flags);
  virtual Result<> remove_xattr(std::string_view name);
  virtual Result<usize> list_xattr(std::span<char> out);

 private:
  FileSystem& file_system_;
  u64 number_;
  FileType type_;
};

}  // namespace narwhal
