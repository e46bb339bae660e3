// The layout of netlink messages (<linux/netlink.h>, <linux/rtnetlink.h>), and a writer of them.
#pragma once

#include <cstring>
#include <string_view>

#include "kernel/base/list.h"
#include "kernel/base/vector.h"

namespace narwhal::netlink {

struct Header {  // struct nlmsghdr
  u32 length;    // this header included
  u16 type;
  u16 flags;
  u32 sequence;
  u32 port;
};
static_assert(sizeof(Header) == 16);

// Types of messages.
inline constexpr u16 kNoop = 1, kError = 2, kDone = 3;
inline constexpr u16 kFirstType = 0x10;
inline constexpr u16 kNewLink = 16, kGetLink = 18;
inline constexpr u16 kNewAddress = 20, kGetAddress = 22;
inline constexpr u16 kNewRoute = 24, kGetRoute = 26;
inline constexpr u16 kLastType = 123;  // RTM_MAX
// Flags.
inline constexpr u16 kRequest = 1, kMulti = 2, kAcknowledge = 4;
inline constexpr u16 kDumpFlags = 0x300;  // NLM_F_ROOT | NLM_F_MATCH
inline constexpr u16 kCapped = 0x100;

struct LinkHeader {  // struct ifinfomsg
  u8 family;
  u8 padding;
  u16 type;
  i32 index;
  u32 flags;
  u32 change;
};
struct AddressHeader {  // struct ifaddrmsg
  u8 family;
  u8 prefix_length;
  u8 flags;
  u8 scope;
  u32 index;
};
struct RouteHeader {  // struct rtmsg
  u8 family;
  u8 destination_length;
  u8 source_length;
  u8 service;
  u8 table;
  u8 protocol;
  u8 scope;
  u8 type;
  u32 flags;
};
struct Attribute {  // struct rtattr
  u16 length;
  u16 type;
};

constexpr usize aligned(usize size) {
  return align_up(size, 4);
}

// What one recv(2) gives: some messages in a row.
struct Datagram : NonCopyable {
  ListNode node;
  Vector<std::byte> bytes;
};

// Datagrams in the order in which they are to be received.
class DatagramList : NonCopyable {
 public:
  DatagramList() = default;
  ~DatagramList() { clear(); }
  void clear() {
    while (Datagram* datagram = list_.pop_front()) delete datagram;
    bytes_ = 0;
  }
  Datagram* front() { return list_.front(); }
  bool empty() { return list_.empty(); }
  usize bytes() const { return bytes_; }
  void push_back(Datagram& datagram) {
    bytes_ += datagram.bytes.size();
    list_.push_back(datagram);
  }
  void drop_front() {
    Datagram* datagram = list_.pop_front();
    bytes_ -= datagram->bytes.size();
    delete datagram;
  }
  void take_all(DatagramList& other) {
    bytes_ += std::exchange(other.bytes_, 0);
    list_.splice_back(other.list_);
  }

 private:
  List<Datagram, &Datagram::node> list_;
  usize bytes_ = 0;
};

// Writes messages into datagrams. Each message begins with begin(), and ends with the next one or
// with finish(). ENOMEM is kept and told by finish().
class Writer : NonCopyable {
 public:
  // As many bytes as programs' buffers take at least (netlink(7) advises 8192).
  static constexpr usize kMostBytes = 4096;

  explicit Writer(DatagramList& out) : out_(out) {}
  ~Writer() { delete present_; }

  template <typename T>
  void begin(u16 type, u16 flags, u32 sequence, u32 port, const T& body) {
    begin_message({0, type, flags, sequence, port}, &body, sizeof body);
  }
  void append(const void* bytes, usize size);
  void attribute(u16 type, const void* bytes, usize size);
  void attribute(u16 type, u8 value) { attribute(type, &value, sizeof value); }
  void attribute(u16 type, u32 value) { attribute(type, &value, sizeof value); }
  void attribute(u16 type, std::string_view text);  // with its NUL
  // What was written goes into the list.
  Result<> finish();

 private:
  void begin_message(const Header& header, const void* body, usize size);
  void end_message();
  void pad();
  void note(Result<> result) {
    if (!result.ok()) failed_ = true;
  }
  void flush();

  DatagramList& out_;
  Datagram* present_ = nullptr;
  usize message_ = 0;  // where the present message begins
  bool open_ = false;
  bool failed_ = false;
};

}  // namespace narwhal::netlink
