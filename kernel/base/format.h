// Text into a fixed buffer, without allocation and without variadic surprises.
//
//   Text<128> line;
//   line << "mapped " << pages << " pages at " << hex(address);
//
// What does not fit is cut; `truncated()` tells.
//
// Nothing of it is inline: a line of text is a dozen calls, and the kernel writes hundreds of them.
#pragma once

#include <concepts>
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

  TextSink& operator<<(std::string_view text);
  TextSink& operator<<(const char* text);
  TextSink& operator<<(char c);
  TextSink& operator<<(bool) = delete;
  template <std::unsigned_integral T>
  TextSink& operator<<(T value) {
    return unsigned_number(value);
  }
  template <std::signed_integral T>
  TextSink& operator<<(T value) {
    return signed_number(value);
  }
  TextSink& operator<<(Hex h);
  TextSink& operator<<(Octal o);
  TextSink& operator<<(Padded p);
  template <typename Tag>
  TextSink& operator<<(Address<Tag> a) {
    return *this << hex(a.value);
  }
  TextSink& operator<<(Errno e);
  TextSink& operator<<(const void* p) { return *this << hex(reinterpret_cast<uptr>(p)); }

  std::string_view view() const { return {buffer_, size_}; }
  usize size() const { return size_; }
  bool truncated() const { return truncated_; }
  void clear() {
    size_ = 0;
    truncated_ = false;
  }

 private:
  TextSink& unsigned_number(u64 value);
  TextSink& signed_number(i64 value);
  TextSink& number(u64 value, unsigned base, unsigned min_digits, char fill);

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
