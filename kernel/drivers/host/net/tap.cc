#include "kernel/drivers/host/net/tap.h"

#include <cstring>

#include "kernel/drivers/host/net/host_net.h"
#include "kernel/drivers/host/net/writer_policy.h"
#include "kernel/drivers/virtio_net_header.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/time.h"
#include "kernel/platform/process/writer.h"

namespace narwhal {
namespace {

class Tap final : public HostNet {
 public:
  Tap(std::span<const int> fds, u32 mtu) : HostNet(fds, mtu) { process_home::want_writer(); }
  ~Tap() override {
    for (usize i = 0; i < ready_; ++i) buffers().give_back(*offered_[i]);
  }

  u32 largest_segment() override { return kMostFrame; }
  Received receive() override;
  Result<> transmit(const Transmit& packet) override;
  void flush() override {}
  void complete_transmits() override;

 private:
  // A frame that the host would cut has up to this many bytes.
  static constexpr u32 kMostFrame = 65535;
  static constexpr usize kMostBuffers = (kMostFrame + PacketBuffers::kSize) / PacketBuffers::kSize;
  static constexpr usize kMostPieces = 128;

  bool offer();
  Result<usize> read_next();
  Result<> leave_to_writer(const Transmit& packet, usize queue);
  Result<> write(const Transmit& packet, usize queue);

  WriterPolicy policy_;
  usize next_queue_ = 0;  // to be read from
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

// From the queue that had something last, or the first one behind it that has.
Result<usize> Tap::read_next() {
  for (usize tries = 1;; ++tries) {
    auto got = host::read_pieces(fd(next_queue_), pieces_);
    if (!got.failed(Errno::kAgain) || tries == queues()) return got;
    if (++next_queue_ == queues()) next_queue_ = 0;
  }
}

NetDevice::Received Tap::receive() {
  for (;;) {
    if (!offer()) {
      starve();
      return {};
    }
    const auto got = read_next();
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

static_assert(sizeof(VirtioNetHeader) == process_home::WriteJob::kHeaderSize);

// A write of `packet`, which fills in a header and pieces, the header's first.
u32 describe(const NetDevice::Transmit& packet, std::byte* header, host::Piece* pieces) {
  const VirtioNetHeader made = VirtioNetHeader::of(packet);
  std::memcpy(header, &made, sizeof made);
  u32 count = 0;
  pieces[count++] = {header, sizeof made};
  for (const NetDevice::Piece& piece : packet.pieces)
    pieces[count++] = {const_cast<std::byte*>(piece.data), piece.length};
  return count;
}

// The host remembers by which queue a connection's packets went, and gives those that come for it
// to the same one.
Result<> Tap::transmit(const Transmit& packet) {
  if (packet.pieces.empty() || packet.pieces.size() > kMostPieces) return Errno::kInval;
  const usize queue = cpu_local().index % queues();
  if (!process_home::has_writer()) return write(packet, queue);
  policy_.look(platform::monotonic_ns(), process_home::idle_ns());
  for (const Piece& piece : packet.pieces) policy_.count_write(piece.length);
  if (policy_.uses_writer() && packet.pieces.size() < process_home::WriteJob::kMostPieces)
    return leave_to_writer(packet, queue);
  process_home::finish_writes();  // they go first
  return write(packet, queue);
}

// The host takes a copy at once.
Result<> Tap::write(const Transmit& packet, usize queue) {
  std::byte header[sizeof(VirtioNetHeader)];
  host::Piece pieces[1 + kMostPieces];
  const auto written = host::write_pieces(fd(queue), {pieces, describe(packet, header, pieces)});
  if (written.failed(Errno::kAgain)) {
    wait_for_room(queue);
    return Errno::kNoBufs;
  }
  wait_for_room(kNoQueue);
  // A device that is down takes nothing (EIO): lost, like on a cable that is not plugged in.
  complete(packet.token);
  return {};
}

Result<> Tap::leave_to_writer(const Transmit& packet, usize queue) {
  complete_transmits();
  process_home::WriteJob* job = process_home::next_write();
  if (!job) {
    // The CPU is ahead of it, and may as well wait.
    process_home::finish_writes();
    complete_transmits();
    job = process_home::next_write();
  }
  if (!job) {
    wait_for_room(queue);
    return Errno::kNoBufs;
  }
  wait_for_room(kNoQueue);
  job->fd = fd(queue);
  job->token = packet.token;
  job->count = describe(packet, job->header, job->pieces);
  process_home::post_write();
  return {};
}

void Tap::complete_transmits() {
  while (const auto* job = process_home::take_back_write()) complete(job->token);
}

}  // namespace

Result<Ref<NetDevice>> start_tap(std::span<const int> fds, u32 mtu) {
  if (fds.size() > HostNet::kMostQueues) return Errno::kInval;
  auto device = TRY(make_ref<Tap>(fds, mtu));
  device->add_ref();  // watched for ever
  return Ref<NetDevice>(std::move(device));
}

}  // namespace narwhal
