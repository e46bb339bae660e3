// The inside of the network driver.
//
// Two queues. Receive buffers are half a frame each and all offered to the device; a frame that
// needs more than one arrives in several, if the device merges buffers. There are more of them than
// the queue has entries, so that the stack may keep some. A packet to be sent goes out from where
// the stack has it, behind a header that is written into its headroom or into a slot of our own.
//
// All calls but the interrupt handler come under the stack's lock (kernel/drivers/net_device.h).
// The handler changes only atomics and looks at the queues' indices.
#pragma once

#include "kernel/base/atomic.h"
#include "kernel/drivers/net_device.h"
#include "kernel/drivers/virtio/queue.h"
#include "kernel/drivers/virtio_net_header.h"
#include "kernel/mm/frame.h"

namespace narwhal {

class VirtioNet final : public NetDevice {
 public:
  explicit VirtioNet(Ref<VirtioTransport> transport) : transport_(std::move(transport)) {}
  ~VirtioNet() override;
  Result<> start();

  MacAddress mac() override { return mac_; }
  u32 mtu() override { return mtu_; }
  bool link_up() override;
  bool checksums_sent() override { return checksums_sent_; }
  u32 largest_segment() override { return cuts_segments_ ? 65535 : 0; }
  Received receive() override;
  void release(ReceiveBuffer& buffer) override;
  Result<> transmit(const Transmit& packet) override;
  void flush() override;
  void complete_transmits() override;
  void set_handlers(EventHandler event, void* argument, CompletionHandler completed) override;
  bool enable_events() override;

 private:
  using Header = VirtioNetHeader;  // as long as this since version 1
  static constexpr u32 kBufferSize = kPageSize / 2;
  static constexpr usize kPerFrame = kPageSize / kBufferSize;
  static constexpr usize kMostPieces = 64;

  struct Buffer : ReceiveBuffer {
    std::byte* memory = nullptr;
  };
  // A packet on its way out.
  struct Slot {
    void* token = nullptr;
    Slot* next = nullptr;  // free slots
    std::byte* header = nullptr;
  };

  static void on_interrupt(void* self);
  void read_config(u64 features);
  static usize receive_buffers(usize queue_size);
  Result<> make_buffers(usize count);
  Result<> make_slots(usize count);
  void offer_buffers();
  void give_back(Buffer& buffer);
  // Appends what the device wrote into `buffer`, from `skip` bytes on.
  void append(Received& frame, ReceiveBuffer*& last, Buffer& buffer, u32 written, u32 skip);
  void drop(Received& frame);
  bool room_for(usize descriptors) const {
    return free_slots_ && transmit_.free_descriptors() >= descriptors;
  }

  Ref<VirtioTransport> transport_;
  VirtQueue receive_;
  VirtQueue transmit_;
  MacAddress mac_{};
  u32 mtu_ = 1500;
  bool merges_buffers_ = false;
  bool checksums_sent_ = false;
  bool cuts_segments_ = false;
  bool checksums_received_ = false;
  bool has_link_status_ = false;
  bool link_up_ = true;
  u64 link_read_ns_ = 0;

  Vector<FrameRef> frames_;
  Buffer* buffers_ = nullptr;
  Buffer* free_buffers_ = nullptr;  // not offered to the device, not lent to the stack
  Vector<Slot> slots_;
  Slot* free_slots_ = nullptr;

  EventHandler event_ = nullptr;
  void* event_argument_ = nullptr;
  CompletionHandler completed_ = nullptr;
  Atomic<bool> live_{false};  // the queues are there
  // An event may be reported. Goes back with the event, and so do interrupts.
  Atomic<bool> armed_{false};
  // An interrupt came with nothing in the queues: the configuration may have changed.
  Atomic<bool> look_at_link_{true};
  bool interrupts_on_ = false;
  bool wants_room_ = false;  // transmit() said ENOBUFS
};

}  // namespace narwhal
