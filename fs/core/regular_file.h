// Regular files whose content is a MemoryObject: what tmpfs, memfd_create(2) and other file systems
// on top of the page cache share.
#pragma once

#include "fs/core/dentry.h"
#include "kernel/mm/memory_object.h"

namespace narwhal {

// F_ADD_SEALS, fcntl(2).
enum Seal : u32 {
  kSealSeal = 1,
  kSealShrink = 2,
  kSealGrow = 4,
  kSealWrite = 8,
  kSealFutureWrite = 16,
  kSealExecute = 32,  // who may execute it stays
};

// The inode: content, size and the rules of changing them. The lock (rank kInode) is held over
// writes and changes of size, so that each is seen whole; reads do without, as on Linux.
class DataInode : public Inode {
 public:
  DataInode(FileSystem& file_system, u64 number, u32 mode, u32 uid, u32 gid, Ref<MemoryObject> data)
      : Inode(file_system, FileType::kRegular, number, mode, uid, gid), data_(std::move(data)) {}

  u64 size() const { return data_->size(); }
  MemoryObject& data() const { return *data_; }

  // The end as lseek(2) wants it, for content that others may change too.
  virtual Result<u64> current_size() { return size(); }

  // Copies content; 0 at the end. Times are the caller's business.
  virtual Result<usize> read(IoBuffer& to, u64 offset);
  // Writes at `offset`, which is moved to the end first when `append`, and is left behind what was
  // written. EFBIG, ENOSPC, EPERM (seals), EFAULT when nothing was written.
  virtual Result<usize> write(IoBuffer& from, u64& offset, bool append);
  // fallocate(2): allocation and KEEP_SIZE, PUNCH_HOLE. EOPNOTSUPP, EFBIG, ENOSPC, EPERM.
  virtual Result<> allocate(int mode, u64 offset, u64 length);
  // lseek(2), SEEK_DATA and SEEK_HOLE. ENXIO.
  virtual Result<u64> seek_data(u64 offset);
  virtual Result<u64> seek_hole(u64 offset);
  // fsync(2), fdatasync(2), for content that has a place of its own.
  virtual Result<> sync(bool data_only) { return static_cast<void>(data_only), Result<>(); }

  Result<> stat(abi::Stat& out) override;
  Result<> truncate(u64 size) override;
  Result<FileRef> open(const Path& path, OpenFlags flags) override;
  Result<Ref<MemoryObject>> memory_object() override { return data_; }
  Result<u32> seals() override { return seals_.load(); }
  Result<> add_seals(u32 seals) override;

  // Shared mappings that may write, which F_SEAL_WRITE must not overlook.
  void writable_mapping_made() { writable_mappings_.fetch_add(1); }
  void writable_mapping_gone() {
    if (writable_mappings_.fetch_sub(1) == 1) writers_unmapped();
  }

 protected:
  // Leaves in the buffer what may be written at `offset`; what was cut off goes back by
  // IoBuffer::extend(). EFBIG.
  static Result<usize> cut_to_limit(IoBuffer& from, u64 offset);
  // Content that is kept elsewhere than in pages of the object, asked for pages that the object
  // does not have. The default is a hole.
  virtual bool is_gap(u64 index) { return static_cast<void>(index), true; }
  virtual Result<usize> read_gap(u64 index, usize offset, usize size, IoBuffer& to);
  // Pages [first, last) are about to be removed, or their content is about to be wrong.
  virtual void forget_gaps(u64 first, u64 last) {
    static_cast<void>(first), static_cast<void>(last);
  }
  // Nobody writes through a mapping any more. May be called under an address space's lock.
  virtual void writers_unmapped() {}
  void set_initial_seals(u32 seals) { seals_.store(seals); }

  Mutex<LockRank::kInode> lock_;

 private:
  void clear_range(u64 offset, u64 length) TA_REQUIRES(lock_);

  const Ref<MemoryObject> data_;
  Atomic<u32> seals_{kSealSeal};
  Atomic<u32> writable_mappings_{0};
};

class RegularFile final : public File {
 public:
  // ETXTBSY. The first descriptor of memfd_create(2) writes without being a writer to execve(2).
  enum class Writer { kCounts, kDoesNotCount };
  static Result<FileRef> open(DataInode& inode, const Path& path, OpenFlags flags,
                              Writer writer = Writer::kCounts);
  ~RegularFile() override;

  Result<usize> read(IoBuffer& to) override;
  Result<usize> write(IoBuffer& from) override;
  Result<usize> read_at(IoBuffer& to, u64 offset) override;
  Result<usize> write_at(IoBuffer& from, u64 offset) override;
  Result<i64> seek(i64 offset, int whence) override;
  bool seekable() const override { return true; }
  Result<> stat(abi::Stat& out) override { return inode_.stat(out); }
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  Result<> mmap(MapRequest& request) override;
  Result<> truncate(u64 size) override;
  Result<> allocate(int mode, u64 offset, u64 length) override;
  Result<> sync(bool data_only) override { return inode_.sync(data_only); }
  const Path* path() const override { return &path_; }
  Inode* inode() const override { return &inode_; }
  Result<String> link_text() const override;
  Kind kind() const override { return Kind::kRegular; }

 private:
  RegularFile(DataInode& inode, const Path& path, OpenFlags flags, bool is_writer)
      : File(flags), path_(path), inode_(inode), is_writer_(is_writer) {
    inode.opened();
  }
  void accessed();
  void modified();

  const Path path_;
  DataInode& inode_;  // path_.dentry's
  const bool is_writer_;
};

}  // namespace narwhal
