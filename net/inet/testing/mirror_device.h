// A network card on a wire with a mirror at its end: each IPv4 packet comes back with its source
// and destination exchanged, so that a stack talks to itself as if to a neighbour. The wire can
// lose, repeat and reorder packets, and make the peer an old one. A card that makes checksums cuts
// segments, too.
#pragma once

#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "kernel/drivers/net_device.h"

namespace narwhal::testing {

class MirrorDevice final : public NetDevice {
 public:
  explicit MirrorDevice(bool sums_checksums) : sums_checksums_(sums_checksums) {}

  // Per cent of the packets.
  unsigned loss = 0, repeats = 0, reorders = 0;
  usize queue_room = 256;  // packets that the device takes before transmit() says ENOBUFS
  usize lent_most = 0;     // receive buffers that the stack had at once
  usize lent() const { return lent_; }
  usize transmitted = 0;
  usize cut = 0;                      // frames that came of longer ones
  usize most_cut = 0;                 // ... that came of a single one
  bool hides_window_scaling = false;  // takes the option off SYNs, as peers that don't know it do
  // ARP answers that nobody asked for, and everything else that is not IPv4, end here.
  static constexpr u8 kPeerMac[6] = {2, 0, 0, 0, 0, 2};

  // A SYN from somewhere, to an address of this side; both as four bytes in network order.
  void inject_syn(const u8* from, u16 from_port, const u8* to, u16 to_port);

  MacAddress mac() override { return {{2, 0, 0, 0, 0, 1}}; }
  u32 mtu() override { return 1500; }
  bool link_up() override { return true; }
  bool checksums_sent() override { return sums_checksums_; }
  u32 largest_segment() override { return sums_checksums_ ? 65535 : 0; }
  Received receive() override;
  void release(ReceiveBuffer& buffer) override;
  Result<> transmit(const Transmit& packet) override;
  void flush() override {}
  void complete_transmits() override;
  void set_handlers(EventHandler, void*, CompletionHandler completed) override {
    completed_ = completed;
  }
  bool enable_events() override { return !wire_.empty(); }

 private:
  using Frame = std::vector<u8>;
  struct Buffer : ReceiveBuffer {
    static constexpr u32 kSize = 1024;  // a full frame takes two
    std::byte bytes[kSize];
  };
  void put_on_wire(Frame frame);
  void put_segments_on_wire(const Frame& frame, const Transmit& packet);
  bool chance(unsigned per_cent) { return random_() % 100 < per_cent; }

  bool sums_checksums_;
  CompletionHandler completed_ = nullptr;
  std::deque<Frame> wire_;
  std::vector<void*> done_;
  std::minstd_rand random_{42};
  usize lent_ = 0;
};

}  // namespace narwhal::testing
