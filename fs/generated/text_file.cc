#include "fs/generated/text_file.h"

#include "fs/core/vfs.h"

namespace narwhal {

Result<> GeneratedTextFile::prepare(u64 offset) {
  if (offset != 0) {
    Guard guard(text_mutex_);
    if (generated_) return {};
  }
  Vector<char> fresh = TRY(generate_text(generator()));
  Guard guard(text_mutex_);
  text_ = std::move(fresh);
  generated_ = true;
  return {};
}

Result<usize> GeneratedTextFile::copy_out(IoBuffer& to, u64 offset) {
  Guard guard(text_mutex_);
  if (offset >= text_.size()) return usize{0};
  return to.write(text_.data() + offset, text_.size() - usize(offset));
}

Result<usize> GeneratedTextFile::read_at(IoBuffer& to, u64 offset) {
  TRY(prepare(offset));
  return copy_out(to, offset);
}

Result<usize> GeneratedTextFile::read(IoBuffer& to) {
  u64 offset;
  {
    Guard guard(position_mutex_);
    offset = position_;
  }
  TRY(prepare(offset));
  Guard guard(position_mutex_);
  const usize moved = TRY(copy_out(to, position_));
  position_ += moved;
  return moved;
}

PollEvents GeneratedTextFile::poll() {
  PollEvents events = File::poll();
  if (const TextChanges* changes = generator().changes()) {
    const u64 now = changes->count.load();
    if (seen_.exchange(now) != now) events |= PollEvents::kErr | PollEvents::kPri;
  }
  return events;
}

Result<usize> GeneratedTextFile::write(IoBuffer& from) {
  char text[1024];  // the longest value of a setting
  if (from.remaining() > sizeof text) return Errno::kInval;
  const usize size = TRY(from.read(text, sizeof text));
  TRY(generator().store({text, size}));
  return size;
}

Result<i64> GeneratedTextFile::seek(i64 offset, int whence) {
  Guard guard(position_mutex_);
  constexpr int kSet = 0, kCurrent = 1;  // there is no end to count from
  if (whence != kSet && whence != kCurrent) return Errno::kInval;
  if (whence == kCurrent && __builtin_add_overflow(offset, i64(position_), &offset))
    return Errno::kOverflow;
  if (offset < 0) return Errno::kInval;
  position_ = u64(offset);
  return offset;
}

Result<String> GeneratedTextFile::link_text() const {
  return vfs::path_text(path_);
}

}  // namespace narwhal
