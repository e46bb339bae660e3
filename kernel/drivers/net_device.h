// NetDevice: a network card as the protocol stack sees it. virtio-net implements it, and so do the
// process home's TAP device and stream of frames (kernel/drivers/host/net).
//
// Packets are whole Ethernet frames. Received memory stays the device's and is lent to the stack,
// which gives it back when the program has read the data; sent memory stays the stack's until the
// device says that it is done. Nothing is copied on either way.
//
// All calls are serialised by the stack's lock, except the event handler, which the device calls
// from any context.
#pragma once

#include <span>

#include "kernel/base/ref.h"

namespace narwhal {

struct MacAddress {
  u8 bytes[6];
};

class NetDevice : public RefCounted {
 public:
  // A piece of a received frame, in the device's memory.
  struct ReceiveBuffer {
    std::byte* data = nullptr;
    u32 length = 0;
    u32 capacity = 0;               // memory that the piece keeps occupied, for accounting
    ReceiveBuffer* next = nullptr;  // the rest of the frame
    NetDevice* device = nullptr;
    // Room for the stack's own description of the piece, so that it need not allocate.
    alignas(16) std::byte stack_area[48];
  };
  struct Received {
    ReceiveBuffer* first = nullptr;
    u32 length = 0;
    bool checksum_good = false;  // the transport checksum needs no look
  };

  struct Piece {
    const std::byte* data;
    u32 length;
  };
  struct Transmit {
    std::span<const Piece> pieces;
    // Bytes before the first piece that the device may overwrite with a header of its own.
    u32 headroom = 0;
    // The device is to fill in the sum of everything from `checksum_start` on, at `checksum_start +
    // checksum_offset`, where the pseudo-header's sum already is. Only if it offloads checksums.
    bool needs_checksum = false;
    u16 checksum_start = 0;
    u16 checksum_offset = 0;
    // Not 0: a TCP segment of more than the connection's size, which the device is to cut into ones
    // with this many bytes of data each. Headers of `header_length` bytes are all in the first
    // piece, and the checksum is needed. At most largest_segment() bytes in all.
    u16 segment_size = 0;
    u16 header_length = 0;
    bool is_ipv6 = false;
    void* token = nullptr;  // handed to the completion handler
  };

  virtual MacAddress mac() = 0;
  virtual u32 mtu() = 0;  // largest IP packet, bytes
  virtual bool link_up() = 0;
  virtual bool checksums_sent() = 0;  // whether Transmit::needs_checksum may be used
  // The largest frame with Transmit::segment_size; 0: the device cuts nothing.
  virtual u32 largest_segment() { return 0; }

  // The next received frame; first null when there is none.
  virtual Received receive() = 0;
  // Gives the pieces of a frame back, one at a time, in any order.
  virtual void release(ReceiveBuffer& buffer) = 0;

  // ENOBUFS: the queue is full; an event follows when there is room again. EINVAL: too many pieces.
  virtual Result<> transmit(const Transmit& packet) = 0;
  // Tells the device of all that was transmitted and released since the last call.
  virtual void flush() = 0;
  // Calls the completion handler for all packets that the device is done with.
  virtual void complete_transmits() = 0;

  // `event` is called, in any context, when there may be something to receive, when there is room
  // to transmit again, or when the link changed; then not again before enable_events(). `completed`
  // is called from complete_transmits() and transmit().
  using EventHandler = void (*)(void* argument);
  using CompletionHandler = void (*)(void* token);
  virtual void set_handlers(EventHandler event, void* argument, CompletionHandler completed) = 0;
  // Asks for the next event. Returns whether something happened meanwhile, for which none will
  // come.
  [[nodiscard]] virtual bool enable_events() = 0;
};

}  // namespace narwhal
