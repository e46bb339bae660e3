// An owned, immutable, NUL-terminated string. Making one can fail.
#pragma once

#include <cstring>
#include <string_view>

#include "kernel/base/result.h"

namespace narwhal {

class String : NonCopyable {
 public:
  constexpr String() = default;
  String(String&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  String& operator=(String&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~String() {
    if (data_) ::operator delete(data_);  // most often there is nothing, and no call needed
  }

  // The bytes of all parts in order. ENOMEM.
  template <typename... Parts>
  static Result<String> concat(Parts... parts) {
    String s;
    s.size_ = (std::string_view(parts).size() + ... + 0);
    s.data_ = static_cast<char*>(::operator new(s.size_ + 1, std::nothrow));
    if (!s.data_) {
      s.size_ = 0;
      return Errno::kNoMem;
    }
    char* out = s.data_;
    // An empty view may have no address at all, which memcpy must not be given.
    const auto append = [&](std::string_view part) {
      if (!part.empty()) std::memcpy(out, part.data(), part.size());
      out += part.size();
    };
    (append(std::string_view(parts)), ...);
    *out = '\0';
    return s;
  }
  // `size` bytes that are not set yet: fill() gives them. ENOMEM.
  static Result<String> uninitialized(usize size) {
    String s;
    s.data_ = static_cast<char*>(::operator new(size + 1, std::nothrow));
    if (!s.data_) return Errno::kNoMem;
    s.size_ = size;
    s.data_[size] = '\0';
    return s;
  }
  char* fill() { return data_; }
  static Result<String> copy(std::string_view text) { return concat(text); }

  std::string_view view() const { return {data_ ? data_ : "", size_}; }
  operator std::string_view() const { return view(); }  // NOLINT: implicit on purpose
  const char* c_str() const { return data_ ? data_ : ""; }
  usize size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Gives the bytes away; ::operator delete frees them.
  [[nodiscard]] char* release() {
    size_ = 0;
    return std::exchange(data_, nullptr);
  }

 private:
  char* data_ = nullptr;
  usize size_ = 0;
};

}  // namespace narwhal
