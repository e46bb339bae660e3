#include "net/netlink/messages.h"

namespace narwhal::netlink {

void Writer::pad() {
  constexpr std::byte kZeros[4] = {};
  Vector<std::byte>& bytes = present_->bytes;
  note(bytes.append({kZeros, aligned(bytes.size()) - bytes.size()}));
}

void Writer::end_message() {
  if (!open_ || failed_) return;
  const u32 length = u32(present_->bytes.size() - message_);
  std::memcpy(present_->bytes.data() + message_, &length, sizeof length);
  pad();
  open_ = false;
}

void Writer::flush() {
  if (!present_ || failed_) return;
  out_.push_back(*std::exchange(present_, nullptr));
}

void Writer::begin_message(const Header& header, const void* body, usize size) {
  // No message of ours is longer than half of what a datagram takes.
  end_message();
  if (present_ && present_->bytes.size() > kMostBytes / 2) flush();
  if (failed_) return;
  if (!present_) {
    present_ = new (std::nothrow) Datagram();
    if (!present_) {
      failed_ = true;
      return;
    }
    note(present_->bytes.reserve(kMostBytes));
  }
  message_ = present_->bytes.size();
  open_ = true;
  append(&header, sizeof header);
  append(body, size);
}

void Writer::append(const void* bytes, usize size) {
  if (failed_) return;
  note(present_->bytes.append({static_cast<const std::byte*>(bytes), size}));
}

void Writer::attribute(u16 type, const void* bytes, usize size) {
  if (failed_) return;
  pad();
  const Attribute header{u16(sizeof(Attribute) + size), type};
  append(&header, sizeof header);
  append(bytes, size);
}

void Writer::attribute(u16 type, std::string_view text) {
  attribute(type, text.data(), text.size());
  constexpr std::byte kNul{};
  append(&kNul, 1);
  if (failed_) return;
  // The NUL is counted.
  const usize at = present_->bytes.size() - text.size() - 1 - sizeof(Attribute);
  const u16 length = u16(sizeof(Attribute) + text.size() + 1);
  std::memcpy(present_->bytes.data() + at, &length, sizeof length);
}

Result<> Writer::finish() {
  end_message();
  flush();
  return failed_ ? Result<>(Errno::kNoMem) : Result<>();
}

}  // namespace narwhal::netlink
