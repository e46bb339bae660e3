// Takes questions of 9P2000.L apart and puts answers together (kernel/abi/p9.h).
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "kernel/abi/p9.h"

namespace narwhal::tools::p9 {

using narwhal::p9::kHeadSize;
using narwhal::p9::MessageType;
using narwhal::p9::Qid;

// Takes fields out of a question. What is not there reads as zero, and complete() says so.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  T take() {
    static_assert(std::is_integral_v<T>);
    T value = 0;
    const std::string_view bytes = take_bytes(sizeof value);
    if (!bytes.empty()) memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string_view take_text() { return take_bytes(take<uint16_t>()); }
  // Empty when there are not so many.
  std::string_view take_bytes(size_t size) {
    if (size > bytes_.size()) {
      complete_ = false;
      bytes_ = {};
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  bool complete() const { return complete_; }

 private:
  std::string_view bytes_;
  bool complete_ = true;
};

// Builds an answer.
class Writer {
 public:
  Writer(std::string& bytes, uint8_t type, uint16_t tag) : bytes_(bytes) {
    bytes_.clear();
    put<uint32_t>(0);
    put(type);
    put(tag);
  }

  template <typename T>
  Writer& put(T value) {
    static_assert(std::is_integral_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Writer& put(const Qid& qid) { return put(qid.type).put(qid.version).put(qid.path); }
  Writer& put_text(std::string_view text) {
    put(static_cast<uint16_t>(text.size()));
    bytes_.append(text);
    return *this;
  }
  // Room for `size` bytes, which the caller fills; then cut() to what is there.
  char* make_room(size_t size) {
    bytes_.resize(bytes_.size() + size);
    return bytes_.data() + bytes_.size() - size;
  }
  void cut(size_t size) { bytes_.resize(size); }
  size_t size() const { return bytes_.size(); }
  template <typename T>
  void patch(size_t at, T value) {
    memcpy(bytes_.data() + at, &value, sizeof value);
  }
  void finish() { patch(0, static_cast<uint32_t>(bytes_.size())); }

 private:
  std::string& bytes_;
};

}  // namespace narwhal::tools::p9
