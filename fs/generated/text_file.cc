#include "fs/generated/text_file.h"

#include "fs/core/vfs.h"

namespace narwhal {

Result<usize> GeneratedTextFile::read_at(IoBuffer& to, u64 offset) {
  Guard guard(text_mutex_);
  if (offset == 0 || !generated_) {
    text_ = TRY(generate_text(generator()));
    generated_ = true;
  }
  if (offset >= text_.size()) return usize{0};
  return to.write(text_.data() + offset, text_.size() - usize(offset));
}

Result<usize> GeneratedTextFile::read(IoBuffer& to) {
  Guard guard(position_mutex_);
  usize moved = TRY(read_at(to, position_));
  position_ += moved;
  return moved;
}

Result<usize> GeneratedTextFile::write(IoBuffer& from) {
  char text[1024];
  if (from.remaining() > sizeof text) return Errno::kInval;
  const usize size = TRY(from.read(text, sizeof text));
  TRY(generator().store({text, size}));
  return size;
}

Result<i64> GeneratedTextFile::seek(i64 offset, int whence) {
  Guard guard(position_mutex_);
  if (whence == 1) offset += i64(position_);
  if (whence < 0 || whence > 1 || offset < 0) return Errno::kInval;
  position_ = u64(offset);
  return offset;
}

Result<String> GeneratedTextFile::link_text() const {
  return vfs::path_text(path_);
}

}  // namespace narwhal
