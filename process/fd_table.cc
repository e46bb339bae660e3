#include "process/fd_table.h"

#include <bit>

#include "fs/core/file_lock.h"

namespace narwhal {

constinit Atomic<u32> max_descriptors{1 << 20};

FdTable::Reservation::~Reservation() {
  if (!table_) return;
  Guard guard(table_->mutex_);
  table_->set_free(fd_);
}

int FdTable::Reservation::commit(FileRef file, bool close_on_exec) && {
  FdTable& table = *std::exchange(table_, nullptr);
  Guard guard(table.mutex_);
  assign(table.close_on_exec_, fd_, close_on_exec);
  table.files_[usize(fd_)] = std::move(file);
  return fd_;
}

// Nobody else knows the table any more.
FdTable::~FdTable() TA_NO_ANALYSIS {
  for (FileRef& file : files_)
    if (file) let_go(std::move(file));
}

void FdTable::let_go(FileRef file) {
  release_process_locks(*file, this);
  file->descriptor_closed();
}

int FdTable::find_free(int fd) const {
  if (fd < lowest_free_) fd = lowest_free_;
  usize word = usize(fd) / 64;
  if (word >= taken_.size()) return fd;
  // Numbers below `fd` count as taken.
  u64 bits = taken_[word] | ((u64{1} << (fd % 64)) - 1);
  while (bits == ~u64{0}) {
    if (++word == taken_.size()) return int(word * 64);
    bits = taken_[word];
  }
  return int(word * 64) + std::countr_one(bits);
}

Result<> FdTable::grow(int fd) {
  const usize words = usize(fd) / 64 + 1;
  if (words <= taken_.size()) return {};
  // The one that says how far the table goes comes last.
  TRY(files_.resize(words * 64));
  TRY(close_on_exec_.resize(words));
  return taken_.resize(words);
}

void FdTable::set_free(int fd) {
  assign(taken_, fd, false);
  if (fd < lowest_free_) lowest_free_ = fd;
}

Result<FdTable::Reservation> FdTable::reserve(u64 limit, int lowest) {
  if (const u64 most = max_descriptors.load(Order::kRelaxed); limit > most) limit = most;
  Guard guard(mutex_);
  const int fd = find_free(lowest);
  if (u64(fd) >= limit) return Errno::kMFile;
  TRY(grow(fd));
  assign(taken_, fd, true);
  if (lowest <= lowest_free_) lowest_free_ = fd + 1;
  return Reservation(*this, fd);
}

FileRef FdTable::file_at(int fd) {
  if (u32(fd) >= files_.size()) return nullptr;
  return files_[usize(fd)];
}

Result<FileRef> FdTable::get_any(int fd) {
  Guard guard(mutex_);
  FileRef file = file_at(fd);
  if (!file) return Errno::kBadF;
  return file;
}

Result<FileRef> FdTable::get(int fd) {
  FileRef file = TRY(get_any(fd));
  if (has(file->flags(), OpenFlags::kPath)) return Errno::kBadF;
  return file;
}

Result<Hold<File>> FdTable::use_shared(int fd) {
  return Hold<File>::own(TRY(get(fd)));
}

Result<> FdTable::close(int fd) {
  FileRef file;
  {
    Guard guard(mutex_);
    if (u32(fd) >= files_.size() || !files_[usize(fd)]) return Errno::kBadF;
    file = std::move(files_[usize(fd)]);
    set_free(fd);
  }
  let_go(std::move(file));
  return {};
}

Result<> FdTable::replace(int fd, FileRef file, bool close_on_exec, u64 limit) {
  if (const u64 most = max_descriptors.load(Order::kRelaxed); limit > most) limit = most;
  if (fd < 0 || u64(fd) >= limit) return Errno::kBadF;
  FileRef old;
  {
    Guard guard(mutex_);
    TRY(grow(fd));
    FileRef& slot = files_[usize(fd)];
    // Another thread is about to commit to this number (dup2(2), EBUSY).
    if (!slot && test(taken_, fd)) return Errno::kBusy;
    old = std::exchange(slot, std::move(file));
    assign(taken_, fd, true);
    assign(close_on_exec_, fd, close_on_exec);
    if (fd == lowest_free_) ++lowest_free_;
  }
  if (old) let_go(std::move(old));
  return {};
}

Result<bool> FdTable::close_on_exec(int fd) {
  Guard guard(mutex_);
  if (!file_at(fd)) return Errno::kBadF;
  return test(close_on_exec_, fd);
}

Result<> FdTable::set_close_on_exec(int fd, bool value) {
  Guard guard(mutex_);
  if (!file_at(fd)) return Errno::kBadF;
  assign(close_on_exec_, fd, value);
  return {};
}

template <typename Wanted>
void FdTable::close_all(u32 first, u32 last, Wanted wanted) {
  for (u64 fd = first; fd <= last; ++fd) {
    FileRef file;
    {
      Guard guard(mutex_);
      while (fd <= last && fd < files_.size() && !(files_[fd] && wanted(int(fd)))) ++fd;
      if (fd > last || fd >= files_.size()) return;
      file = std::move(files_[fd]);
      set_free(int(fd));
    }
    let_go(std::move(file));
  }
}

void FdTable::close_range(u32 first, u32 last, bool only_mark) {
  if (!only_mark) return close_all(first, last, [](int) { return true; });
  Guard guard(mutex_);
  for (u64 fd = first; fd <= last && fd < files_.size(); ++fd)
    if (files_[fd]) assign(close_on_exec_, int(fd), true);
}

void FdTable::close_all_on_exec() {
  close_all(0, ~u32{0}, [this](int fd) TA_NO_ANALYSIS { return test(close_on_exec_, fd); });
}

Result<Ref<FdTable>> FdTable::copy() {
  Ref<FdTable> made = TRY(make_ref<FdTable>());
  Guard guard(mutex_);
  // Not shared yet; its lock ranks with this one's.
  const auto fill = [&]() TA_NO_ANALYSIS -> Result<> {
    if (files_.empty()) return {};
    if (files_.size() > max_descriptors.load(Order::kRelaxed)) {
      // The table grows in steps: what counts is what is in it.
      for (usize fd = max_descriptors.load(Order::kRelaxed); fd < files_.size(); ++fd)
        if (files_[fd]) return Errno::kMFile;
    }
    TRY(made->grow(int(files_.size()) - 1));
    for (usize fd = 0; fd < files_.size(); ++fd) {
      if (!files_[fd]) continue;
      made->files_[fd] = files_[fd];
      assign(made->taken_, int(fd), true);
      assign(made->close_on_exec_, int(fd), test(close_on_exec_, int(fd)));
    }
    made->lowest_free_ = made->find_free(0);
    return {};
  };
  TRY(fill());
  return made;
}

int FdTable::next_open(int from) {
  Guard guard(mutex_);
  for (usize fd = from < 0 ? 0 : usize(from); fd < files_.size(); ++fd)
    if (files_[fd]) return int(fd);
  return -1;
}

}  // namespace narwhal
