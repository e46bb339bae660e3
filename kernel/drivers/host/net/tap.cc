#include "kernel/drivers/host/net/tap.h"

#include <cstring>

#include "kernel/drivers/host/net/host_net.h"
#include "kernel/drivers/virtio_net_header.h"
#include "kernel/platform/process/host.h"

namespace narwhal {
namespace {

class Tap final : public HostNet {
 public:
  Tap(int fd, u32 mtu) : HostNet(fd, mtu) {}
  ~Tap() override {
    for (usize i = 0; i < ready_; ++i) buffers().give_back(*offered_[i]);
  }

  u32 largest_segment() override { return kMostFrame; }
  Received receive() override;
  Result<> transmit(const Transmit& packet) override;
  void flush() override {}
  void complete_transmits() override {}

 private:
  // A frame that the host would cut has up to this many bytes.
  static constexpr u32 kMostFrame = 65535;
  static constexpr usize kMostBuffers = (kMostFrame + PacketBuffers::kSize) / PacketBuffers::kSize;
  static constexpr usize kMostPieces = 128;

  bool offer();

  VirtioNetHeader header_{};
  // Where the next frame will be read to; the first `ready_` are in place.
  host::Piece pieces_[1 + kMostBuffers] = {};
  PacketBuffers::Buffer* offered_[kMostBuffers] = {};
  usize ready_ = 0;
};

bool Tap::offer() {
  pieces_[0] = {&header_, sizeof header_};
  for (; ready_ < kMostBuffers; ++ready_) {
    PacketBuffers::Buffer* buffer = buffers().take();
    if (!buffer) return false;
    offered_[ready_] = buffer;
    pieces_[1 + ready_] = {buffer->memory, PacketBuffers::kSize};
  }
  return true;
}

NetDevice::Received Tap::receive() {
  for (;;) {
    if (!offer()) {
      starve();
      return {};
    }
    const auto got = host::read_pieces(fd(), pieces_);
    if (!got.ok()) {
      if (!got.failed(Errno::kAgain)) go("the TAP device was removed");
      return {};
    }
    // A runt has no address to go to.
    if (got.value() < sizeof header_ + kEthernetHeader) continue;
    Received frame;
    ReceiveBuffer* last = nullptr;
    usize used = 0;
    for (usize left = got.value() - sizeof header_; left != 0; ++used) {
      const usize size = left < PacketBuffers::kSize ? left : PacketBuffers::kSize;
      PacketBuffers::append(frame, last, *offered_[used], u32(size));
      left -= size;
    }
    // The last of the others take the places of those that were used.
    const usize rest = ready_ - used;
    for (usize i = 0; i < used && i < rest; ++i) {
      offered_[i] = offered_[ready_ - 1 - i];
      pieces_[1 + i] = pieces_[ready_ - i];
    }
    ready_ = rest;
    frame.checksum_good = header_.checksum_good();
    return frame;
  }
}

// The host takes a copy at once.
Result<> Tap::transmit(const Transmit& packet) {
  if (packet.pieces.empty() || packet.pieces.size() > kMostPieces) return Errno::kInval;
  VirtioNetHeader header = VirtioNetHeader::of(packet);
  host::Piece pieces[1 + kMostPieces];
  pieces[0] = {&header, sizeof header};
  usize count = 1;
  for (const Piece& piece : packet.pieces)
    pieces[count++] = {const_cast<std::byte*>(piece.data), piece.length};
  const auto written = host::write_pieces(fd(), {pieces, count});
  if (written.failed(Errno::kAgain)) {
    wait_for_room(true);
    return Errno::kNoBufs;
  }
  wait_for_room(false);
  // A device that is down takes nothing (EIO): lost, like on a cable that is not plugged in.
  complete(packet.token);
  return {};
}

}  // namespace

Result<Ref<NetDevice>> start_tap(int fd, u32 mtu) {
  auto device = TRY(make_ref<Tap>(fd, mtu));
  device->add_ref();  // watched for ever
  return Ref<NetDevice>(std::move(device));
}

}  // namespace narwhal
