// What the network devices of the process home have in common: a descriptor of the host's, its
// events, and the memory of received packets.
#pragma once

#include "kernel/base/atomic.h"
#include "kernel/drivers/host/net/packet_buffers.h"
#include "kernel/platform/process/events.h"

namespace narwhal {

class HostNet : public NetDevice {
 public:
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
  HostNet(int fd, u32 mtu);

  int fd() const { return watch_.fd; }
  PacketBuffers& buffers() { return buffers_; }
  void complete(void* token) { completed_(token); }

  // There is no memory for what may have come: no event before some is given back.
  void starve() { starved_ = true; }
  // The next event shall also come when there is room to send.
  void wait_for_room(bool wanted) { wants_room_ = wanted; }
  // The host's side has ended.
  void go(std::string_view why);

 private:
  static void on_ready(void* self);
  void tell();

  process_home::Watch watch_;
  const u32 mtu_;
  MacAddress mac_{};
  PacketBuffers buffers_;
  bool starved_ = false;
  bool wants_room_ = false;
  bool gone_ = false;
  EventHandler event_ = nullptr;
  void* event_argument_ = nullptr;
  CompletionHandler completed_ = nullptr;
  Atomic<bool> armed_{false};  // an event may be reported
};

}  // namespace narwhal
