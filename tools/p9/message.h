// Messages of 9P2000.L: little-endian fields one behind the other, behind a head of size[4] type[1]
// tag[2] (Plan 9's intro(5); the additions for Linux in diod's protocol.md and in Linux's
// include/net/9p/9p.h).
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace narwhal::tools::p9 {

// A question; the answer to each has the next number.
enum class MessageType : uint8_t {
  kError = 6,
  kStatfs = 8,
  kOpen = 12,
  kCreate = 14,
  kSymlink = 16,
  kMknod = 18,
  kReadlink = 22,
  kGetattr = 24,
  kSetattr = 26,
  kXattrWalk = 30,
  kXattrCreate = 32,
  kReaddir = 40,
  kFsync = 50,
  kLink = 70,
  kMkdir = 72,
  kRenameAt = 74,
  kUnlinkAt = 76,
  kVersion = 100,
  kAttach = 104,
  kFlush = 108,
  kWalk = 110,
  kRead = 116,
  kWrite = 118,
  kClunk = 120,
};

inline constexpr size_t kHeadSize = 7;

// What a file is known by: `path` is its inode's number.
struct Qid {
  uint8_t type = 0;
  uint32_t version = 0;
  uint64_t path = 0;
  static constexpr uint8_t kDirectory = 0x80, kSymlink = 0x02;
};

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
