#include "fs/p9/pages.h"

namespace narwhal::p9 {
namespace {

// Calls visit(page, offset in it, piece of `bytes`) for each page that bytes at `offset` touch.
template <typename Byte, typename Visit>
void for_each_page(u64 offset, std::span<Byte> bytes, Visit visit) {
  while (!bytes.empty()) {
    const usize inside = offset % kPageSize;
    const usize room = kPageSize - inside;
    const auto piece = bytes.first(bytes.size() < room ? bytes.size() : room);
    visit(offset / kPageSize, inside, piece);
    offset += piece.size();
    bytes = bytes.subspan(piece.size());
  }
}

}  // namespace

void Pages::set_reader(File9Ref file) {
  SpinGuard guard(lock_);
  std::swap(reader_, file);
}
void Pages::set_writer(File9Ref file) {
  SpinGuard guard(lock_);
  std::swap(writer_, file);
}
File9Ref Pages::reader() const {
  SpinGuard guard(lock_);
  return reader_ ? reader_ : writer_;
}
File9Ref Pages::writer() const {
  SpinGuard guard(lock_);
  return writer_;
}

Result<FrameRef> Pages::page(u64 index, Access access) {
  FrameRef frame = TRY(MemoryObject::page(index, Access::kRead));
  if (!frame) frame = TRY(bring(index));
  if (access == Access::kWrite) TRY(mark_changed(index));
  return frame;
}

// Reads a page and some behind it, as far as the file goes and until one that is here already.
Result<FrameRef> Pages::bring(u64 index) {
  class Keeper final : public ByteTaker {
   public:
    explicit Keeper(Pages& pages) : pages_(pages) {}
    Result<usize> take(u64 offset, std::span<std::byte> bytes) override {
      for (usize done = 0; done < bytes.size(); done += kPageSize) {
        FrameRef frame = TRY(FrameRef::allocate(FrameContent::kZeroed));
        const usize left = bytes.size() - done;
        std::memcpy(frame.data(), bytes.data() + done, left < kPageSize ? left : kPageSize);
        auto inserted = pages_.insert((offset + done) >> kPageShift, std::move(frame));
        // Another fault may have been faster.
        if (!inserted.ok() && !inserted.failed(Errno::kExist)) return inserted.error();
      }
      return bytes.size();
    }

   private:
    Pages& pages_;
  };
  File9Ref file = reader();
  if (!file) return Errno::kIo;
  const u64 end = div_round_up(size(), kPageSize);
  u64 count = end > index ? end - index : 1;
  if (count > kReadAhead) count = kReadAhead;
  if (const u64 next = next_data(index); next - index < count) count = next - index;
  Keeper keeper(*this);
  const usize got = TRY(read(*file, index * kPageSize, count * kPageSize, keeper));
  // The server may cut an answer short within a page: what it has of the last one is not whole.
  const u64 cut = index * kPageSize + got;
  if (got % kPageSize != 0 && cut < size()) {
    remove_pages(cut >> kPageShift, (cut >> kPageShift) + 1);
    if (got < kPageSize) return Errno::kIo;
  }
  FrameRef frame = TRY(MemoryObject::page(index, Access::kRead));
  if (frame) return frame;
  // Nothing there: the file became shorter.
  TRY(insert(index, TRY(FrameRef::allocate(FrameContent::kZeroed))));
  return MemoryObject::page(index, Access::kRead);
}

Result<> Pages::mark_changed(u64 index) {
  SpinGuard guard(lock_);
  return changed_.mark(index);
}

bool Pages::has_changes() const {
  SpinGuard guard(lock_);
  return changed_.count() != 0;
}

PageMarks::Run Pages::take_changed() {
  SpinGuard guard(lock_);
  return changed_.take_run(0, ~u64{0}, ~u64{0});
}

// The marks go before the pages leave the mappings, and those before the content is read: whoever
// writes meanwhile marks the page anew.
Result<> Pages::write_back(bool mapped) {
  File9Ref file = writer();
  if (!file) return {};
  for (;;) {
    const auto [first, count] = take_changed();
    if (count == 0) return {};
    if (mapped) unmap_everywhere(first, first + count);
    for (u64 index = first; index < first + count; ++index) {
      const u64 start = index * kPageSize, end = size();
      if (start >= end) break;
      FrameRef frame = TRY(MemoryObject::page(index, Access::kRead));
      if (!frame) continue;
      const usize length = end - start < kPageSize ? end - start : kPageSize;
      IoBuffer buffer(std::span<const std::byte>(frame.data(), length));
      while (buffer.remaining() != 0) {
        auto moved = write(*file, start + length - buffer.remaining(), buffer, nullptr);
        if (moved.ok() && moved.value() != 0) continue;
        for (; index < first + count; ++index) mark_changed(index).ignore();
        return moved.ok() ? Errno::kIo : moved.error();
      }
    }
  }
}

void Pages::forget_clean() {
  if (page_count() != 0 && !has_changes()) remove_pages(0, ~u64{0} >> kPageShift);
}

void Pages::patch(u64 offset, std::span<std::byte> bytes) {
  if (page_count() == 0) return;
  for_each_page(offset, bytes, [&](u64 index, usize inside, std::span<std::byte> piece) {
    {
      SpinGuard guard(lock_);
      if (!changed_.is_marked(index)) return;
    }
    if (auto frame = MemoryObject::page(index, Access::kRead); frame.ok() && frame.value())
      std::memcpy(piece.data(), frame.value().data() + inside, piece.size());
  });
}

void Pages::written(u64 offset, std::span<const std::byte> bytes) {
  if (page_count() == 0) return;
  for_each_page(offset, bytes, [&](u64 index, usize inside, std::span<const std::byte> piece) {
    if (auto frame = MemoryObject::page(index, Access::kRead); frame.ok() && frame.value())
      std::memcpy(frame.value().data() + inside, piece.data(), piece.size());
  });
}

}  // namespace narwhal::p9
