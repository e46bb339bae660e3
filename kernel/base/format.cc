#include "kernel/base/format.h"

#include <cstring>

namespace narwhal {

TextSink& TextSink::operator<<(std::string_view text) {
  const usize room = capacity_ - size_;
  const usize n = text.size() < room ? text.size() : room;
  if (n) std::memcpy(buffer_ + size_, text.data(), n);
  size_ += n;
  truncated_ |= n < text.size();
  return *this;
}
TextSink& TextSink::operator<<(const char* text) {
  return *this << std::string_view(text);
}
TextSink& TextSink::operator<<(char c) {
  return *this << std::string_view(&c, 1);
}

TextSink& TextSink::unsigned_number(u64 value) {
  return number(value, 10, 0, '0');
}
TextSink& TextSink::signed_number(i64 value) {
  if (value >= 0) return unsigned_number(u64(value));
  return (*this << '-').unsigned_number(u64{0} - u64(value));
}
TextSink& TextSink::operator<<(Hex h) {
  if (h.prefix) *this << "0x";
  return number(h.value, 16, h.min_digits, '0');
}
TextSink& TextSink::operator<<(Octal o) {
  if (o.value != 0) *this << '0';
  return number(o.value, 8, o.min_digits, '0');
}
TextSink& TextSink::operator<<(Padded p) {
  return number(p.value, 10, p.width, p.fill);
}
TextSink& TextSink::operator<<(Errno e) {
  return *this << errno_name(e);
}

TextSink& TextSink::number(u64 value, unsigned base, unsigned min_digits, char fill) {
  char digits[64];
  usize at = sizeof digits;
  do {
    digits[--at] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  while (sizeof digits - at < min_digits && at > 0) digits[--at] = fill;
  return *this << std::string_view(digits + at, sizeof digits - at);
}

}  // namespace narwhal
