// One AF_PACKET socket. All that changes is guarded by the core lock.
#pragma once

#include "kernel/abi/packet.h"
#include "net/core/basic_options.h"
#include "net/core/socket.h"
#include "net/lwip/packet_tap.h"

namespace narwhal::packet {

// What passed, for who reads it: a copy of its bytes, from where the reader's type begins.
struct Packet {
  ListNode node;
  Vector<std::byte> bytes;
  abi::LinkAddress from{};
  i64 received_ns = 0;  // wall clock

  usize footprint() const { return sizeof(Packet) + bytes.size(); }
};

class PacketSocket final : public Socket {
 public:
  PacketSocket(int type, OpenFlags flags);
  ~PacketSocket() override;
  // `protocol`: ETH_P_*; from then on frames come, unless it is 0.
  void open(u16 protocol);

  Result<> bind(const SocketAddress& address) override;
  Result<> connect(const SocketAddress&) override { return Errno::kOpNotSupp; }
  Result<> shutdown(int) override { return Errno::kOpNotSupp; }
  Result<> local_address(SocketAddress& out) override;
  Result<> peer_address(SocketAddress&) override { return Errno::kOpNotSupp; }
  Result<usize> send(Message& message) override;
  Result<usize> receive(Message& message) override;
  Result<> set_option(int level, int name, std::span<const std::byte> value) override;
  Result<usize> get_option(int level, int name, std::span<std::byte> value) override;
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  PollEvents poll() override;
  WaitQueue* poll_queue() override { return &queue_; }

 private:
  struct Tap final : net::PacketTap {
    explicit Tap(PacketSocket& s) : socket(s) {}
    void tapped(const net::TappedFrame& frame) override { socket.take(frame); }
    PacketSocket& socket;
  };

  bool sees_headers() const { return type() == abi::kSockRaw; }
  void take(const net::TappedFrame& frame);
  void drop_front();
  Result<> add_control(const Packet& packet, ControlData& control);
  Result<> change_membership(std::span<const std::byte> value);
  usize take_counts(std::span<std::byte> out);
  bool is_on(int name) const { return switches_ >> name & 1; }

  Tap tap_{*this};
  WaitQueue queue_;
  BasicOptions options_;
  i32 send_buffer_ = BasicOptions::kMostBuffer;
  u32 switches_ = 0;  // options of SOL_PACKET that are on, by number
  bool timestamp_ = false, timestamp_ns_ = false;
  List<Packet, &Packet::node> packets_;
  usize queued_bytes_ = 0;
  abi::PacketCounts counts_{};
};

}  // namespace narwhal::packet
