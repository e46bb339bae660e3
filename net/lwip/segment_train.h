// Segments that one connection sends in a row, as one frame that the device cuts again
// (NetDevice::Transmit::segment_size): the stack works for each segment, the device only once.
//
// Only this folder includes this header. All calls with the core lock held.
#pragma once

#include "kernel/drivers/net_device.h"
#include "lwip/pbuf.h"

namespace narwhal::net {

// What a frame says, if it is a segment of TCP with data and nothing special.
struct Segment {
  u8* bytes = nullptr;
  u16 network_at = 0, transport_at = 0, data_at = 0;
  u16 data_size = 0;
  // What each of those that it becomes has at most: its own size, or what the connection says of
  // one that is longer than the peer takes it.
  u16 cut_size = 0;
  bool is_long = false;
  bool is_ipv6 = false;

  // False: it is something else.
  static bool parse(pbuf* frame, Segment& out);
};

// On the heap, from the first of its segments until the device is done with all of them.
class SegmentTrain : NonCopyable {
 public:
  static constexpr usize kMostPieces = 64;

  // Begins with a frame and keeps a reference of it. Null: no memory.
  static SegmentTrain* begin(pbuf* frame, const Segment& segment);
  ~SegmentTrain();

  // Puts a segment behind the others. False: it does not follow them.
  bool add(pbuf* frame, const Segment& segment, u32 most_bytes);
  // Whether it is more than what the peer takes as one.
  bool is_cut() const { return size_ - first_.data_at > first_.cut_size; }
  pbuf* first() const { return frames_[0]; }
  u32 size() const { return size_; }

  // What is cut, as one frame whose checksum is still to be prepared; `pieces` has room
  // for kMostPieces. Its headers are at header().
  void describe(NetDevice::Piece* pieces, NetDevice::Transmit& out);
  u8* header() { return header_; }

  // A train is told from a frame by the token's lowest bit.
  void* token() { return reinterpret_cast<void*>(reinterpret_cast<u64>(this) | 1); }
  static SegmentTrain* of_token(void* token) {
    const u64 word = reinterpret_cast<u64>(token);
    return word & 1 ? reinterpret_cast<SegmentTrain*>(word - 1) : nullptr;
  }

 private:
  static constexpr usize kMostFrames = 45;  // 64 KiB of Ethernet's
  static constexpr usize kMostHeader = 14 + 40 + 60;
  static constexpr u32 kHeadroom = 16;

  SegmentTrain() = default;
  void append(pbuf* frame, const Segment& segment);

  alignas(16) std::byte headroom_[kHeadroom];
  u8 header_[kMostHeader];  // of the whole: the first's, with the last's flags
  Segment first_;
  u32 next_sequence_ = 0;
  u32 size_ = 0;        // bytes of the frame
  bool ended_ = false;  // its last segment is a short one
  usize pieces_ = 1;
  usize count_ = 0;
  pbuf* frames_[kMostFrames];
};

}  // namespace narwhal::net
