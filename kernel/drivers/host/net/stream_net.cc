#include "kernel/drivers/host/net/stream_net.h"

#include <cstring>

#include "kernel/base/log.h"
#include "kernel/drivers/host/net/handshake.h"
#include "kernel/drivers/host/net/host_net.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/process/host.h"

namespace narwhal {
namespace {

// What comes is read in long pieces, as many frames at once as there are, and copied out of there.
// What goes is collected until the stack says that it is done, and written at once from where the
// stack has it.
//
// The other end runs on this host, and got the bytes by the host's own sockets: sums are neither
// made nor looked at.
class StreamNet final : public HostNet {
 public:
  StreamNet(int fd, u32 mtu) : HostNet({&fd, 1}, mtu) {}
  ~StreamNet() override {
    if (incoming_) free_frames(platform::direct_map_to_phys(incoming_), kIncomingOrder);
  }
  Result<> start() {
    const auto memory = TRY(allocate_frames(kIncomingOrder, FrameContent::kAny));
    incoming_ = platform::direct_map(memory);
    return {};
  }

  // A long segment is only a long frame here.
  u32 largest_segment() override { return mtu() + kEthernetHeader; }
  Received receive() override;
  Result<> transmit(const Transmit& packet) override;
  void flush() override { write_out(); }
  void complete_transmits() override { write_out(); }

 private:
  static constexpr usize kLengthSize = 4;
  static constexpr usize kMostFrame = 65535 + kEthernetHeader;
  static constexpr unsigned kIncomingOrder = 6;
  static constexpr usize kIncomingSize = kPageSize << kIncomingOrder;
  static constexpr usize kMostPieces = host::kMostPieces;
  static constexpr usize kMostFrames = 256;

  struct Outgoing {
    void* token;
    usize left;  // bytes that the host has not taken
    u8 length[kLengthSize];
  };

  bool fill();
  void begin_frame(usize size, void* token);
  bool copy_out(const std::byte* from, usize size, Received& frame);
  void write_out();
  void taken(usize bytes);

  std::byte* incoming_ = nullptr;
  usize begin_ = 0, end_ = 0;
  bool drained_ = false;  // the host had no more than what it gave last

  Handshakes handshakes_;

  // Both are emptied from the front, and start anew when they are empty.
  host::Piece pieces_[kMostPieces];
  usize piece_begin_ = 0, piece_end_ = 0;
  Outgoing frames_[kMostFrames];
  usize frame_begin_ = 0, frame_end_ = 0;
};

// --- receiving

// Whether anything came.
bool StreamNet::fill() {
  if (std::exchange(drained_, false)) return false;
  if (begin_ == end_) begin_ = end_ = 0;
  if (kIncomingSize - begin_ < kLengthSize + kMostFrame) {
    std::memmove(incoming_, incoming_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const usize room = kIncomingSize - end_;
  const auto got = host::read(fd(), {incoming_ + end_, room});
  if (got.failed(Errno::kAgain)) return false;
  if (!got.ok() || got.value() == 0) {
    go("its process on the host has ended");
    return false;
  }
  end_ += got.value();
  drained_ = got.value() < room;
  return true;
}

bool StreamNet::copy_out(const std::byte* from, usize size, Received& frame) {
  ReceiveBuffer* last = nullptr;
  while (size != 0) {
    PacketBuffers::Buffer* buffer = buffers().take();
    if (!buffer) {
      while (ReceiveBuffer* piece = frame.first) {
        frame.first = piece->next;
        buffers().give_back(*piece);
      }
      return false;
    }
    const usize count = size < PacketBuffers::kSize ? size : PacketBuffers::kSize;
    std::memcpy(buffer->memory, from, count);
    PacketBuffers::append(frame, last, *buffer, u32(count));
    from += count;
    size -= count;
  }
  return true;
}

NetDevice::Received StreamNet::receive() {
  for (;;) {
    const usize have = end_ - begin_;
    const std::byte* at = incoming_ + begin_;
    usize size = 0;
    if (have >= kLengthSize) {
      for (usize i = 0; i < kLengthSize; ++i) size = size << 8 | usize(at[i]);
      if (size > kMostFrame) {
        go("its process on the host sends no frames");
        return {};
      }
    }
    if (have < kLengthSize || have - kLengthSize < size) {
      if (!link_up() || !fill()) return {};
      continue;
    }
    const std::byte* bytes = at + kLengthSize;
    usize taken = size;
    u8 instead[Handshakes::kMostAnswer];
    if (const usize made =
            handshakes_.received({reinterpret_cast<const u8*>(bytes), size}, instead)) {
      bytes = reinterpret_cast<const std::byte*>(instead);
      taken = made;
    }
    Received frame;
    if (taken >= kEthernetHeader && !copy_out(bytes, taken, frame)) {
      starve();
      return {};
    }
    begin_ += kLengthSize + size;
    if (!frame.first) continue;
    frame.checksum_good = true;
    return frame;
  }
}

// --- sending

void StreamNet::begin_frame(usize size, void* token) {
  Outgoing& frame = frames_[frame_end_++];
  frame.token = token;
  frame.left = kLengthSize + size;
  for (usize i = 0; i < kLengthSize; ++i) frame.length[i] = u8(size >> 8 * (kLengthSize - 1 - i));
  pieces_[piece_end_++] = {frame.length, kLengthSize};
}

Result<> StreamNet::transmit(const Transmit& packet) {
  // And perhaps a question behind it.
  const usize needed = packet.pieces.size() + 3;
  if (packet.pieces.empty() || needed > kMostPieces) return Errno::kInval;
  if (!link_up()) {
    complete(packet.token);
    return {};
  }
  const auto is_full = [&] {
    return kMostPieces - piece_end_ < needed || kMostFrames - frame_end_ < 2;
  };
  if (is_full()) write_out();
  if (is_full()) return Errno::kNoBufs;
  usize size = 0;
  for (const Piece& piece : packet.pieces) size += piece.length;
  begin_frame(size, packet.token);
  for (const Piece& piece : packet.pieces)
    if (piece.length != 0)
      pieces_[piece_end_++] = {const_cast<std::byte*>(piece.data), piece.length};
  const Piece& head = packet.pieces[0];
  const auto question = handshakes_.sent({reinterpret_cast<const u8*>(head.data), head.length});
  if (!question.empty()) {
    begin_frame(question.size(), nullptr);
    pieces_[piece_end_++] = {const_cast<u8*>(question.data()), question.size()};
  }
  return {};
}

void StreamNet::taken(usize bytes) {
  for (usize left = bytes; left != 0;) {
    host::Piece& piece = pieces_[piece_begin_];
    const usize part = left < piece.size ? left : piece.size;
    piece.data = static_cast<std::byte*>(piece.data) + part;
    piece.size -= part;
    left -= part;
    if (piece.size == 0) ++piece_begin_;
  }
  while (bytes != 0) {
    Outgoing& frame = frames_[frame_begin_];
    const usize part = bytes < frame.left ? bytes : frame.left;
    frame.left -= part;
    bytes -= part;
    if (frame.left != 0) break;
    ++frame_begin_;
    if (frame.token) complete(frame.token);
  }
}

void StreamNet::write_out() {
  while (piece_begin_ != piece_end_) {
    const auto written =
        host::write_pieces(fd(), {pieces_ + piece_begin_, piece_end_ - piece_begin_});
    if (written.failed(Errno::kAgain)) {
      wait_for_room(0);
      return;
    }
    if (!written.ok()) {
      go("its process on the host has ended");
      usize rest = 0;
      for (usize i = frame_begin_; i < frame_end_; ++i) rest += frames_[i].left;
      taken(rest);
      break;
    }
    taken(written.value());
  }
  piece_begin_ = piece_end_ = 0;
  frame_begin_ = frame_end_ = 0;
  wait_for_room(kNoQueue);
}

}  // namespace

Result<Ref<NetDevice>> start_stream_net(int fd, u32 mtu) {
  auto device = TRY(make_ref<StreamNet>(fd, mtu));
  TRY(device->start());
  device->add_ref();  // watched for ever
  return Ref<NetDevice>(std::move(device));
}

}  // namespace narwhal
