// Text into a fixed buffer, without allocation and without variadic surprises.
//
//   Text<128> line;
//   line << "mapped " << pages << " pages at " << hex(address);
//
// What does not fit is cut; `truncated()` tells.
#pragma once

#include <concepts>
#include <cstring>
#include <string_view>

#include "kernel/base/addr.h"
#include "kernel/base/errno.h"
#include "kernel/base/types.h"

namespace narwhal {

struct Hex {
  u64 value;
  unsigned min_digits = 0;
  bool prefix = true;
};
constexpr Hex hex(u64 value) {
  return {value};
}
// Without "0x", padded with zeros to `digits`.
constexpr Hex hex_digits(u64 value, unsigned digits) {
  return {value, digits, false};
}
struct Octal {
  u64 value;
  unsigned min_digits = 0;  // strace and ls show a leading zero: octal(mode) prints "0644" for 0644
};
constexpr Octal octal(u64 value) {
  return {value};
}
// Decimal, right-aligned in `width` characters with `fill`.
struct Padded {
  u64 value;
  unsigned width;
  char fill;
};
constexpr Padded padded(u64 value, unsigned width, char fill = ' ') {
  return {value, width, fill};
}

// Where formatted text goes. Writes past the end are counted and dropped.
class TextSink : NonCopyable {
 public:
  TextSink(char* buffer, usize capacity) : buffer_(buffer), capacity_(capacity) {}

  TextSink& operator<<(std::string_view text) {
    usize room = capacity_ - size_;
    usize n = text.size() < room ? text.size() : room;
    if (n) std::memcpy(buffer_ + size_, text.data(), n);
    size_ += n;
    truncated_ |= n < text.size();
    return *this;
  }
  TextSink& operator<<(const char* text) { return *this << std::string_view(text); }
  TextSink& operator<<(char c) { return *this << std::string_view(&c, 1); }
  TextSink& operator<<(bool) = delete;
  template <std::unsigned_integral T>
  TextSink& operator<<(T value) {
    return number(value, 10, 0, '0');
  }
  template <std::signed_integral T>
  TextSink& operator<<(T value) {
    if (value >= 0) return *this << static_cast<u64>(value);
    return (*this << '-').number(u64{0} - static_cast<u64>(value), 10, 0, '0');
  }
  TextSink& operator<<(Hex h) {
    if (h.prefix) *this << "0x";
    return number(h.value, 16, h.min_digits, '0');
  }
  TextSink& operator<<(Octal o) {
    if (o.value != 0) *this << '0';
    return number(o.value, 8, o.min_digits, '0');
  }
  TextSink& operator<<(Padded p) { return number(p.value, 10, p.width, p.fill); }
  template <typename Tag>
  TextSink& operator<<(Address<Tag> a) {
    return *this << hex(a.value);
  }
  TextSink& operator<<(Errno e) { return *this << errno_name(e); }
  TextSink& operator<<(const void* p) { return *this << hex(reinterpret_cast<uptr>(p)); }

  std::string_view view() const { return {buffer_, size_}; }
  usize size() const { return size_; }
  bool truncated() const { return truncated_; }
  void clear() {
    size_ = 0;
    truncated_ = false;
  }

 private:
  TextSink& number(u64 value, unsigned base, unsigned min_digits, char fill) {
    char digits[64];
    usize at = sizeof digits;
    do {
      digits[--at] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value != 0);
    while (sizeof digits - at < min_digits && at > 0) digits[--at] = fill;
    return *this << std::string_view(digits + at, sizeof digits - at);
  }

  char* buffer_;
  usize capacity_;
  usize size_ = 0;
  bool truncated_ = false;
};

template <usize N>
class Text : public TextSink {
 public:
  Text() : TextSink(storage_, N) {}
  // NUL-terminated, cut to N - 1 characters if it must be.
  const char* c_str() {
    storage_[size() < N ? size() : N - 1] = '\0';
    return storage_;
  }

 private:
  char storage_[N];
};

}  // namespace narwhal
