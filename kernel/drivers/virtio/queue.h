// A split virtqueue (virtio 1.1, section 2.6).
//
// A buffer is a chain of segments: first those that the device reads, then those that it writes.
// Chains of more than one segment use an indirect table where the device allows it, so that a chain
// costs one descriptor. What the device says is not trusted: an id that was not handed out, or more
// bytes than were offered, stop the queue with a message.
//
// No lock of its own: the driver serialises all calls but interrupt handlers' looking at nothing.
#pragma once

#include <span>

#include "kernel/base/vector.h"
#include "kernel/drivers/virtio/transport.h"

namespace narwhal {

class VirtQueue : NonCopyable {
 public:
  struct Segment {
    PhysAddr address;
    u32 length;
  };
  static constexpr usize kMaxSegments = 64;

  VirtQueue() = default;
  ~VirtQueue();

  // Allocates the rings and starts the queue, with at most `wanted_size` entries. `features`: as
  // negotiated. ENODEV when the device has no such queue, ENOMEM.
  Result<> start(VirtioTransport& transport, u16 index, u16 wanted_size, u64 features);

  // Offers a chain. `token` comes back from pop(); not null. ENOBUFS when there is no room, EINVAL
  // for a chain that is empty or longer than the queue. The device learns of it at the next kick().
  Result<> submit(std::span<const Segment> device_reads, std::span<const Segment> device_writes,
                  void* token);
  // Tells the device, if it asked to be told.
  void kick();

  struct Completion {
    void* token = nullptr;
    u32 written = 0;  // bytes that the device wrote; never more than were offered
  };
  // The next chain that the device is done with; token null when there is none.
  Completion pop();
  bool has_completions() const;

  // Whether the device should interrupt when it is done with the next chain. Enabling says whether
  // something was done meanwhile, which must then be looked at: no interrupt will come for it.
  void disable_interrupts();
  [[nodiscard]] bool enable_interrupts();

  u16 size() const { return size_; }
  u16 free_descriptors() const { return free_count_; }
  u16 in_flight() const { return u16(chains_in_flight_); }
  bool broken() const { return broken_; }

 private:
  // Section 2.6.5, 2.6.6, 2.6.8.
  struct Descriptor {
    u64 address;
    u32 length;
    u16 flags;
    u16 next;
  };
  struct UsedElement {
    u32 id;
    u32 length;
  };
  struct Available {
    u16 flags;
    u16 index;
    u16 ring[];  // then u16 used_event
  };
  struct Used {
    u16 flags;
    u16 index;
    UsedElement ring[];  // then u16 avail_event
  };
  struct Chain {
    void* token = nullptr;
    Descriptor* indirect = nullptr;
    u32 writable = 0;  // bytes offered for writing
    u16 descriptors = 0;
  };

  void fill(Descriptor* table, u16 first, bool linked, std::span<const Segment> reads,
            std::span<const Segment> writes);
  void free_chain(u16 head);
  void stop(const char* why);
  u16& used_event() { return available_->ring[size_]; }
  volatile u16& available_event() const {
    return *reinterpret_cast<volatile u16*>(&used_->ring[size_]);
  }

  VirtioTransport* transport_ = nullptr;
  Descriptor* descriptors_ = nullptr;
  Available* available_ = nullptr;
  Used* used_ = nullptr;
  Vector<Chain> chains_;
  PhysAddr memory_{};
  unsigned memory_order_ = 0;
  u16 queue_index_ = 0;
  u16 size_ = 0;
  u16 free_head_ = 0;
  u16 free_count_ = 0;
  u16 next_available_ = 0;  // our copy of available_->index
  u16 last_kicked_ = 0;
  u16 next_used_ = 0;
  u32 chains_in_flight_ = 0;
  bool indirect_ = false;
  bool event_index_ = false;
  bool broken_ = false;
};

}  // namespace narwhal
