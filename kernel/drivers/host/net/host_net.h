// What the network devices of the process home have in common: descriptors of the host's, one for
// each queue, their events, and the memory of received packets.
#pragma once

#include "kernel/base/atomic.h"
#include "kernel/drivers/host/net/packet_buffers.h"
#include "kernel/platform/process/events.h"
#include "kernel/platform/process/layout.h"

namespace narwhal {

class HostNet : public NetDevice {
 public:
  // One for each CPU, at most.
  static constexpr usize kMostQueues = process_home::kMostCpus;

  MacAddress mac() final { return mac_; }
  u32 mtu() final { return mtu_; }
  bool link_up() final { return !gone_; }
  // A sum that is left out is filled in by the host (TAP), or nobody looks at it (stream).
  bool checksums_sent() final { return true; }
  void release(ReceiveBuffer& buffer) final;
  void set_handlers(EventHandler event, void* argument, CompletionHandler completed) final;
  bool enable_events() final;

 protected:
  static constexpr u32 kEthernetHeader = 14;

  // It is watched for ever, and so must live for ever.
  HostNet(std::span<const int> fds, u32 mtu);

  usize queues() const { return queues_; }
  int fd(usize queue = 0) const { return watches_[queue].fd; }
  PacketBuffers& buffers() { return buffers_; }
  void complete(void* token) { completed_(token); }

  // There is no memory for what may have come: no event before some is given back.
  void starve() { starved_ = true; }
  // The next event shall also come when this queue has room to send; only the last one counts,
  // since what did not fit may go by any.
  static constexpr usize kNoQueue = ~usize{0};
  void wait_for_room(usize queue) { full_queue_ = queue; }
  // The host's side has ended.
  void go(std::string_view why);

 private:
  static void on_ready(void* self);
  void tell();

  const usize queues_;
  process_home::Watch watches_[kMostQueues];
  const u32 mtu_;
  MacAddress mac_{};
  PacketBuffers buffers_;
  bool starved_ = false;
  usize full_queue_ = kNoQueue;
  bool gone_ = false;
  EventHandler event_ = nullptr;
  void* event_argument_ = nullptr;
  CompletionHandler completed_ = nullptr;
  Atomic<bool> armed_{false};  // an event may be reported
};

}  // namespace narwhal
