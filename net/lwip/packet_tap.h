// Frames as they are on the wire, for packet(7): copies of what comes and goes on an interface, and
// a way to send them.
//
// All calls, and all that a tap is told, happen with the core lock held.
#pragma once

#include "fs/core/io_buffer.h"
#include "kernel/drivers/net_device.h"
#include "net/lwip/core.h"

struct netif;
struct pbuf;

namespace narwhal::net {

// ETH_P_*, for which no EtherType stands.
inline constexpr u16 kNovellProtocol = 1, kEveryProtocol = 3, kLinkControlProtocol = 4;
inline constexpr usize kLinkHeaderSize = 14;

// An interface as a packet socket knows it.
struct LinkInfo {
  bool loopback = false;
  MacAddress mac{};
};
// ENODEV.
Result<LinkInfo> find_link(u32 interface) TA_REQUIRES(core_lock);

struct TappedFrame {
  enum class Kind : u8 { kHost, kBroadcast, kMulticast, kOtherHost, kOutgoing };  // PACKET_*
  u32 interface = 0;
  u16 protocol = 0;
  bool loopback = false;
  Kind kind = Kind::kHost;
  u8 header[kLinkHeaderSize] = {};  // loopback's is made up: its packets have none
  usize payload_size = 0;

  usize size() const { return kLinkHeaderSize + payload_size; }
  // Bytes of the frame from `from` on, with the header.
  void copy(std::byte* to, usize from, usize size) const;

  // --- for packet_tap.cc
  const pbuf* packet = nullptr;
  u16 payload_at = 0;
};

class PacketTap : NonCopyable {
 public:
  // Told of frames of `protocol` (0: of none; kEveryProtocol: of all, and of what is sent) on
  // `interface` (0: any).
  void listen(u16 protocol, u32 interface);
  u16 protocol() const { return protocol_; }
  u32 interface() const { return interface_; }

  // Sends a frame with all that is in `from`; without a header of its own, `header` is put before
  // it. Not told to this tap. ENXIO, ENETDOWN, EMSGSIZE, EINVAL, ENOBUFS, EFAULT.
  Result<usize> send(u32 interface, IoBuffer& from, const u8* header);

  // --- from the stack
  virtual void tapped(const TappedFrame& frame) = 0;
  PacketTap* next() const { return next_; }
  bool wants(const TappedFrame& frame) const;

 protected:
  PacketTap() = default;
  ~PacketTap() { ASSERT(!listening_); }

 private:
  PacketTap* next_ = nullptr;
  u32 interface_ = 0;
  u16 protocol_ = 0;
  bool listening_ = false;  // and in the list
};

}  // namespace narwhal::net
