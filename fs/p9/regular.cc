#include "fs/p9/regular.h"

#include "fs/core/clock.h"
#include "kernel/base/log.h"

namespace narwhal::p9 {

Result<Ref<RemoteRegular>> RemoteRegular::make(P9FileSystem& file_system, File9Ref file,
                                               const Attributes& attributes) {
  Ref<Pages> pages = TRY(make_ref<Pages>());
  return make_ref<RemoteRegular>(file_system, std::move(file), attributes, std::move(pages));
}

File9Ref RemoteRegular::any_file() const {
  if (File9Ref opened = pages_->reader()) return opened;
  return RemoteInode::any_file();
}

void RemoteRegular::note_size(const Attributes& attributes) {
  if (pages_->size() != attributes.size) pages_->set_size(attributes.size);
  if (attributes.modified == seen_) return;
  seen_ = attributes.modified;
  changed_.store(true);
}

Result<u64> RemoteRegular::current_size() {
  return TRY(refresh()).size;
}

// A second number for the same file, opened.
static Result<File9Ref> open_again(const File9& file, Open9 flags) {
  Qid qid;
  File9Ref fresh = TRY(make_ref<File9>(file.session, TRY(file.session.walk(file.fid, "", qid))));
  TRY(p9::open(*fresh, flags));
  return fresh;
}

Result<> RemoteRegular::open_reader() {
  if (pages_->reader()) return {};
  pages_->set_reader(TRY(open_again(*node().file(), Open9::kReadOnly)));
  return {};
}

Result<> RemoteRegular::open_writer() {
  if (pages_->writer()) return {};
  const File9Ref file = node().file();
  auto both = open_again(*file, Open9::kReadWrite);
  // One that may not be read can't be mapped either, and needs no pages.
  pages_->set_writer(both.failed(Errno::kAcces) ? TRY(open_again(*file, Open9::kWriteOnly))
                                                : TRY(std::move(both)));
  return {};
}

Result<FileRef> RemoteRegular::open(const Path& path, OpenFlags flags) {
  TRY(refresh());
  if (changed_.exchange(false)) pages_->forget_clean();
  if (narwhal::writable(flags)) TRY(open_writer());
  if (narwhal::readable(flags)) TRY(open_reader());
  return RegularFile::open(*this, path, flags);
}

Result<Ref<MemoryObject>> RemoteRegular::memory_object() {
  TRY(open_reader());
  return Ref<MemoryObject>(pages_);
}

Result<usize> RemoteRegular::read(IoBuffer& to, u64 offset) {
  class Copier final : public ByteTaker {
   public:
    Copier(Pages& pages, IoBuffer& to) : pages_(pages), to_(to) {}
    Result<usize> take(u64 offset, std::span<std::byte> bytes) override {
      pages_.patch(offset, bytes);
      offered = bytes.size();
      return to_.write(bytes.data(), bytes.size());
    }
    usize offered = 0;

   private:
    Pages& pages_;
    IoBuffer& to_;
  };
  TRY(open_reader());
  const File9Ref file = pages_->reader();
  usize total = 0;
  while (to.remaining() != 0) {
    Copier copier(*pages_, to);
    auto moved = p9::read(*file, offset + total, to.remaining(), copier);
    if (!moved.ok()) {
      if (total != 0) break;
      return moved.error();
    }
    total += moved.value();
    if (moved.value() == 0 || moved.value() < copier.offered) break;
  }
  return total;
}

Result<usize> RemoteRegular::write(IoBuffer& from, u64& offset, bool append) {
  Guard guard(lock_);
  if (from.remaining() == 0) return usize{0};
  const File9Ref file = pages_->writer();
  if (!file) return Errno::kBadF;
  if (append) offset = TRY(current_size());
  const usize cut = TRY(cut_to_limit(from, offset));
  usize total = 0;
  Errno error{};
  while (from.remaining() != 0) {
    const usize before = from.remaining();
    auto moved = p9::write(*file, offset, from, pages_.get());
    if (!moved.ok()) {
      error = moved.error();
      break;
    }
    total += moved.value();
    offset += moved.value();
    if (offset > size()) pages_->set_size(offset);
    // Less than was taken out of the buffer: the server's disk is full, or nearly.
    if (moved.value() != before - from.remaining()) break;
  }
  from.extend(cut);
  if (total == 0 && error != Errno{}) return error;
  set_modified(current_file_time());
  return total;
}

Result<> RemoteRegular::truncate(u64 size) {
  Guard guard(lock_);
  TRY(p9::set_attributes(*node().file(), {.fields = AttributeChange::kSize, .size = size}));
  pages_->set_size(size);
  set_modified(current_file_time());
  return {};
}

Result<u64> RemoteRegular::seek_data(u64 offset) {
  if (offset >= TRY(current_size())) return Errno::kNxIo;
  return offset;
}

Result<u64> RemoteRegular::seek_hole(u64 offset) {
  const u64 end = TRY(current_size());
  if (offset >= end) return Errno::kNxIo;
  return end;
}

Result<> RemoteRegular::sync(bool data_only) {
  TRY(pages_->write_back());
  File9Ref file = pages_->writer();
  if (!file) file = pages_->reader();
  return file ? p9::sync(*file, data_only) : Result<>();
}

void RemoteRegular::writers_unmapped() {
  if (auto done = pages_->write_back_unmapped(); !done.ok())
    LOG_ERROR("a mapped file of volume " << remote().session().tag()
                                         << " could not be written back: " << done.error());
}

}  // namespace narwhal::p9
