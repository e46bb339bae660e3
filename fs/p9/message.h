// Puts messages of 9P2000.L together and takes them apart (kernel/abi/p9.h).
#pragma once

#include <concepts>
#include <cstring>
#include <span>
#include <string_view>

#include "kernel/abi/p9.h"
#include "kernel/base/result.h"
#include "kernel/base/types.h"

namespace narwhal::p9 {

// Puts fields into a buffer. What does not fit is remembered, and said by finish().
class Writer {
 public:
  Writer(std::span<std::byte> buffer, MessageType type, u16 tag) : buffer_(buffer) {
    put<u32>(0);
    put<u8>(u8(type));
    put<u16>(tag);
  }

  template <std::integral T>
  void put(T value) {
    put_bytes({reinterpret_cast<const std::byte*>(&value), sizeof value});
  }
  // size[2] and the bytes.
  void put_text(std::string_view text) {
    put<u16>(u16(text.size()));
    put_bytes({reinterpret_cast<const std::byte*>(text.data()), text.size()});
  }
  void put_bytes(std::span<const std::byte> bytes) {
    if (bytes.size() > buffer_.size() - size_) {
      overflow_ = true;
      return;
    }
    std::memcpy(buffer_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  // Room that the caller fills itself; advance() then counts what is there.
  std::span<std::byte> rest() { return buffer_.subspan(size_); }
  void advance(usize size) { size_ += size; }

  // The whole message, its size filled in. EMSGSIZE.
  Result<std::span<const std::byte>> finish() {
    if (overflow_) return Errno::kMsgSize;
    const auto size = u32(size_);
    std::memcpy(buffer_.data(), &size, sizeof size);
    return std::span<const std::byte>(buffer_.first(size_));
  }

 private:
  std::span<std::byte> buffer_;
  usize size_ = 0;
  bool overflow_ = false;
};

// Takes fields out of an answer. What is not there reads as zero, and complete() says so: a server
// is not trusted to send whole messages.
class Reader {
 public:
  Reader() = default;
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <std::integral T>
  T take() {
    T value{};
    if (auto bytes = take_bytes(sizeof value); !bytes.empty())
      std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  Qid take_qid() {
    Qid qid;
    qid.type = take<u8>();
    qid.version = take<u32>();
    qid.path = take<u64>();
    return qid;
  }
  std::string_view take_text() {
    auto bytes = take_bytes(take<u16>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  // Empty when there are not so many.
  std::span<const std::byte> take_bytes(usize size) {
    if (size > bytes_.size()) {
      complete_ = false;
      bytes_ = {};
      return {};
    }
    auto taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }
  bool empty() const { return bytes_.empty(); }
  bool complete() const { return complete_; }

 private:
  std::span<const std::byte> bytes_;
  bool complete_ = true;
};

}  // namespace narwhal::p9
