// Inode: a file-system object, apart from its names (inode(7)).
//
// Attributes that every path walk looks at (mode, owner) are in the base class. Each is one word
// that is read without a lock; a set of them changes under the inode's own lock.
#pragma once

#include "fs/core/file.h"
#include "fs/core/path.h"
#include "kernel/base/string.h"

namespace narwhal {

class FileSystem;
class Inode;
struct InodeExtras;

// FS_IOC_GETFLAGS(2const); the numbers are FS_*_FL.
enum InodeFlag : u8 {
  kInodeImmutable = 0x10,
  kInodeAppendOnly = 0x20,
  kInodeNoDump = 0x40,
  kInodeNoAccessTime = 0x80,
};

inline constexpr u32 kAnyExecute = 0111;  // in a mode

struct AttributeChange {
  enum Field : u32 {
    kMode = 1,
    kUid = 2,
    kGid = 4,
    kSize = 8,
    kAccessTime = 16,
    kModifyTime = 32,
    kAccessTimeNow = 64,  // the times are those of the change itself (utimensat(2), UTIME_NOW)
    kModifyTimeNow = 128,
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
  // `mode`: permission bits.
  Inode(FileSystem& file_system, FileType type, u64 number, u32 mode = 0777, u32 uid = 0,
        u32 gid = 0);
  ~Inode() override;

  FileType type() const { return type_; }
  bool is_directory() const { return type_ == FileType::kDirectory; }
  bool is_symlink() const { return type_ == FileType::kSymlink; }
  bool is_regular() const { return type_ == FileType::kRegular; }
  u64 number() const { return number_; }
  FileSystem& file_system() const { return file_system_; }

  u32 mode() const { return mode_.load(Order::kRelaxed); }  // permission bits
  u32 uid() const { return uid_.load(Order::kRelaxed); }
  u32 gid() const { return gid_.load(Order::kRelaxed); }
  u32 links() const { return links_.load(Order::kRelaxed); }
  u64 special_device() const { return special_device_; }
  const abi::TimeSpec& accessed() const { return accessed_; }
  const abi::TimeSpec& modified() const { return modified_; }
  const abi::TimeSpec& changed() const { return changed_; }

  // What the base class knows; sizes are added by those who have one.
  virtual Result<> stat(abi::Stat& out);
  // statx(2)'s stx_btime; false when it is not known.
  virtual bool birth_time(abi::TimeSpec& out) const { return static_cast<void>(out), false; }
  // Rights have been checked. EPERM for file systems that do not allow it.
  virtual Result<> set_attributes(const AttributeChange& change);

  // --- directories. Called with the file system's names_mutex() held where names change; the tree
  // of dentries is updated by the caller. Names are checked (not empty, no '/', at most 255 bytes).
  virtual Result<Ref<Inode>> lookup(std::string_view name);  // ENOENT
  virtual Result<Ref<Inode>> create(std::string_view name, FileType type, u32 mode, u64 device,
                                    const Credentials& who);
  virtual Result<Ref<Inode>> create_symlink(std::string_view name, std::string_view target,
                                            const Credentials& who);
  virtual Result<Ref<Inode>> create_unnamed(u32 mode,
                                            const Credentials& who);  // O_TMPFILE; EOPNOTSUPP
  virtual Result<> link(std::string_view name, Inode& target);
  virtual Result<> unlink(std::string_view name, Inode& target);  // also rmdir: ENOTEMPTY
  // `replaced`: what has the new name now, or null; with RENAME_EXCHANGE it gets the old name.
  virtual Result<> rename(std::string_view name, Inode& target, Inode& new_directory,
                          std::string_view new_name, Inode* replaced, u32 flags);
  // Entries from `offset` on (0: from the first after "." and ".."), for file systems that make up
  // their content; an entry is shown with the offset of the one behind it.
  virtual Result<> read_directory(i64 offset, DirectoryVisitor& visitor);
  // For names that are made up: whether a dentry that is still around may be used again.
  virtual bool still_valid() const { return true; }

  // --- others
  virtual Result<String> read_link();  // EINVAL
  // The same without a copy, from a file system whose links never change; empty if it is not one.
  virtual std::string_view stable_link() const { return {}; }
  // A magic link (/proc/self/fd/3) leads to a place, not to a path. An empty result: it is none.
  virtual Result<Path> follow_magic_link();
  // Rights have been checked. The default serves what has a fixed way for its type: directories of
  // pinned names, devices, FIFOs.
  virtual Result<FileRef> open(const Path& path, OpenFlags flags);
  virtual Result<> truncate(u64 size);                // EINVAL
  virtual Result<Ref<MemoryObject>> memory_object();  // ENODEV

  // Whether it has the flags of InodeFlag, which only a file system that keeps them can say.
  virtual bool has_flags() const { return false; }
  virtual bool shows_flags() const { return false; }  // statx(2) knows the flags of such inodes
  u8 flags() const { return inode_flags_.load(Order::kRelaxed); }
  bool immutable() const { return flags() & kInodeImmutable; }
  bool append_only() const { return flags() & kInodeAppendOnly; }

  // F_GET_SEALS, F_ADD_SEALS of fcntl(2): EINVAL for what can't be sealed.
  virtual Result<u32> seals() { return Errno::kInval; }
  virtual Result<> add_seals(u32) { return Errno::kInval; }

  // Extended attributes, xattr(7). EOPNOTSUPP by default. Sizes as in getxattr(2): an empty `out`
  // asks for the size. ENODATA, ERANGE.
  virtual Result<usize> get_xattr(std::string_view name, std::span<std::byte> out);
  virtual Result<> set_xattr(std::string_view name, std::span<const std::byte> value, int flags);
  virtual Result<> remove_xattr(std::string_view name);
  virtual Result<usize> list_xattr(std::span<char> out, bool with_trusted);

  // --- who writes, who executes (ETXTBSY of open(2) and execve(2)). Each call that succeeds is
  // undone by its counterpart.
  Result<> begin_writing();
  void end_writing() { writers_.fetch_sub(1); }
  Result<> deny_writing();
  void allow_writing() { writers_.fetch_add(1); }
  bool written_to() const { return writers_.load() > 0; }
  // Open file descriptions of a regular file, as it counts them itself: for leases.
  void opened() { openings_.fetch_add(1, Order::kRelaxed); }
  void closed() { openings_.fetch_sub(1, Order::kRelaxed); }
  u32 openings() const { return openings_.load(Order::kRelaxed); }

  // A file of O_TMPFILE has no name yet and may be given its first one; what lost its last name may
  // not (linkat(2), ENOENT).
  bool awaits_name() const { return awaits_name_.load(Order::kRelaxed); }
  void set_awaits_name(bool value) { awaits_name_.store(value, Order::kRelaxed); }

  // Notes an access when `strict`; else as mount option relatime wants it: only when the time would
  // be older than the last change, or than a day.
  void touch_accessed(bool strict);

  // Locks, watches and the like, made when first needed. ENOMEM.
  Result<InodeExtras*> extras();
  InodeExtras* extras_if_any() const { return extras_.load(Order::kAcquire); }

  // For the file system that the inode belongs to.
  void set_mode(u32 mode) { mode_.store(mode & kPermissionMask, Order::kRelaxed); }
  void set_flags(u8 flags) { inode_flags_.store(flags, Order::kRelaxed); }
  void set_links(u32 links) { links_.store(links, Order::kRelaxed); }
  void set_special_device(u64 device) { special_device_ = device; }
  void set_times(const abi::TimeSpec& accessed, const abi::TimeSpec& modified,
                 const abi::TimeSpec& changed) {
    accessed_ = accessed;
    modified_ = modified;
    changed_ = changed;
  }
  void set_modified(const abi::TimeSpec& time) { modified_ = changed_ = time; }
  void set_changed(const abi::TimeSpec& time) { changed_ = time; }

 protected:
  // Everything in a change but the size.
  void apply_attributes(const AttributeChange& change);

 private:
  FileSystem& file_system_;
  u64 number_;
  u64 special_device_ = 0;
  FileType type_;
  Atomic<bool> awaits_name_{false};
  Atomic<u8> inode_flags_{0};
  Atomic<u32> mode_;
  Atomic<u32> uid_, gid_;
  Atomic<u32> links_{1};
  Atomic<i32> writers_{0};  // > 0: open for writing so many times; < 0: executed so many times
  Atomic<u32> openings_{0};
  Atomic<InodeExtras*> extras_{nullptr};
  // A reader on another CPU may see half of a change; Linux's readers may, too.
  abi::TimeSpec accessed_{}, modified_{}, changed_{};
};

}  // namespace narwhal
