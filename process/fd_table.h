// Descriptors of a process: small numbers for open file descriptions.
#pragma once

#include "fs/core/file.h"
#include "kernel/base/hold.h"

namespace narwhal {

// /proc/sys/fs/nr_open: no limit on descriptors is higher.
extern Atomic<u32> max_descriptors;

class FdTable : public RefCounted {
 public:
  // A number taken but not yet visible. commit() can't fail; going out of scope gives the number
  // back. So a call that makes descriptors does everything that can fail first (pipe2(2): no
  // half-made pairs).
  class Reservation {
   public:
    Reservation(FdTable& table, int fd) : table_(&table), fd_(fd) {}
    Reservation(Reservation&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)), fd_(other.fd_) {}
    Reservation& operator=(Reservation&&) = delete;
    ~Reservation();
    int number() const { return fd_; }
    int commit(FileRef file, bool close_on_exec) &&;

   private:
    FdTable* table_;
    int fd_;
  };

  FdTable() = default;
  ~FdTable() override;

  // The lowest free number at or above `lowest` and below `limit` (RLIMIT_NOFILE). EMFILE, ENOMEM.
  Result<Reservation> reserve(u64 limit, int lowest = 0);
  // EBADF. O_PATH descriptors are refused by get() and returned by get_any().
  Result<FileRef> get(int fd);
  Result<FileRef> get_any(int fd);
  // As get(), for the current call on the current task's own table. Nobody else can close a
  // descriptor of a table that is not shared, and who shares it next is made by this task: so the
  // table's own reference is borrowed, without a lock (as Linux's fdget() does).
  Result<Hold<File>> use(int fd) TA_NO_ANALYSIS {
    if (ref_count() != 1) [[unlikely]]
      return use_shared(fd);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);  // whoever shared it before has let go
    if (u32(fd) >= files_.size()) return Errno::kBadF;
    File* file = files_.data()[fd].get();
    if (!file || has(file->flags(), OpenFlags::kPath)) return Errno::kBadF;
    return Hold<File>::borrow(file);
  }
  // EBADF. POSIX record locks of the table on the file go with any of its descriptors.
  Result<> close(int fd);
  // dup2(2), dup3(2): closes `fd` first if it is open. EBADF (over the limit), EBUSY, ENOMEM.
  Result<> replace(int fd, FileRef file, bool close_on_exec, u64 limit);
  Result<bool> close_on_exec(int fd);
  Result<> set_close_on_exec(int fd, bool value);
  // close_range(2) without its unsharing; with `only_mark`, sets close-on-exec instead of closing.
  void close_range(u32 first, u32 last, bool only_mark);
  void close_all_on_exec();
  Result<Ref<FdTable>> copy();
  // The first open number at or above `from`, or -1: for /proc/PID/fd.
  int next_open(int from);

 private:
  // One bit for each number.
  using Bits = Vector<u64>;
  static bool test(const Bits& bits, int fd) { return bits[usize(fd) / 64] >> (fd % 64) & 1; }
  static void assign(Bits& bits, int fd, bool value) {
    const u64 bit = u64{1} << (fd % 64);
    u64& word = bits[usize(fd) / 64];
    word = value ? word | bit : word & ~bit;
  }

  void release(int fd);
  Result<Hold<File>> use_shared(int fd);
  // Takes the lowest free number at or above `fd`, which may lie behind the table's end.
  int find_free(int fd) const TA_REQUIRES(mutex_);
  // Makes room for `fd`. ENOMEM.
  Result<> grow(int fd) TA_REQUIRES(mutex_);
  void set_free(int fd) TA_REQUIRES(mutex_);
  FileRef file_at(int fd) TA_REQUIRES(mutex_);
  // What ends with a descriptor, and not with its description; then drops it. Not under the lock.
  void let_go(FileRef file) TA_EXCLUDES(mutex_);
  // Closes every number that `wanted` picks, in [first, last].
  template <typename Wanted>
  void close_all(u32 first, u32 last, Wanted wanted) TA_EXCLUDES(mutex_);

  Mutex<LockRank::kFdTable> mutex_;
  Vector<FileRef> files_ TA_GUARDED_BY(mutex_);  // a multiple of 64, as the bits
  Bits taken_ TA_GUARDED_BY(mutex_);             // open, or reserved
  Bits close_on_exec_ TA_GUARDED_BY(mutex_);
  int lowest_free_ TA_GUARDED_BY(mutex_) = 0;  // all below are taken
};

}  // namespace narwhal
