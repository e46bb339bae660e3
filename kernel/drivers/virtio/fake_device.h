// For host tests: a virtio device in software that can be told to lie.
#pragma once

#include <cstring>
#include <vector>

#include "kernel/base/format.h"
#include "kernel/drivers/virtio/queue.h"
#include "kernel/platform/machine.h"

namespace narwhal {

class FakeTransport final : public VirtioTransport {
 public:
  struct Ring {
    u16 size = 0;
    u16 max_size = 8;
    PhysAddr descriptors, available, used;
    u16 next_available = 0;
    int notifications = 0;
  };
  struct Element {
    u64 address;
    u32 length;
    u16 flags;
    u16 next;
  };
  struct Taken {
    u16 head = 0;
    std::vector<Element> chain;
  };

  u64 offered = kVirtioVersion1;
  u64 accepted = 0;
  bool refuses_features = false;
  Ring rings[4];
  u8 config[64] = {};
  int config_reads = 0;

  VirtioDevice device_type() override { return VirtioDevice::kEntropy; }
  u64 device_features() override { return offered; }
  void set_driver_features(u64 features) override { accepted = features; }
  VirtioStatus status() override { return status_; }
  void set_status(VirtioStatus status) override {
    if (refuses_features) status &= ~VirtioStatus::kFeaturesOk;
    status_ = status;
  }
  u16 queue_max_size(u16 queue) override { return queue < 4 ? rings[queue].max_size : 0; }
  Result<> start_queue(u16 queue, u16 size, PhysAddr descriptors, PhysAddr available,
                       PhysAddr used) override {
    Ring& ring = rings[queue];
    ring.size = size;
    ring.descriptors = descriptors;
    ring.available = available;
    ring.used = used;
    return {};
  }
  void notify(u16 queue) override { ++rings[queue].notifications; }
  Result<> set_interrupt_handler(Handler handler, void* argument) override {
    handler_ = handler;
    argument_ = argument;
    return {};
  }
  void interrupt() { handler_(argument_); }
  u8 config8(u32 offset) override { return config_at<u8>(offset); }
  u16 config16(u32 offset) override { return config_at<u16>(offset); }
  u32 config32(u32 offset) override { return config_at<u32>(offset); }
  u32 config_generation() override { return 0; }
  TextSink& describe(TextSink& out) override { return out << "fake"; }

  // What the driver made available and the device has not taken yet.
  bool take(u16 queue, Taken& out) {
    Ring& ring = rings[queue];
    const auto* available = at<u16>(ring.available);
    if (available[1] == ring.next_available) return false;
    out.head = available[2 + ring.next_available++ % ring.size];
    out.chain.clear();
    const auto* table = at<Element>(ring.descriptors);
    Element element = table[out.head];
    if (element.flags & 4) {
      table = at<Element>(PhysAddr(element.address));
      element = table[0];
    }
    for (;;) {
      out.chain.push_back(element);
      if (!(element.flags & 1)) return true;
      element = table[element.next];
    }
  }
  // Says that a chain is done; lies are welcome.
  void use(u16 queue, u32 id, u32 length) {
    Ring& ring = rings[queue];
    auto* used = at<u8>(ring.used);
    u16 index;
    std::memcpy(&index, used + 2, 2);
    const u32 element[2] = {id, length};
    std::memcpy(used + 4 + index % ring.size * 8, element, 8);
    set_used_index(queue, u16(index + 1));
  }
  void set_used_index(u16 queue, u16 index) {
    std::memcpy(at<u8>(rings[queue].used) + 2, &index, 2);
  }
  // Whether the driver wants to be interrupted for what was used last (without event indices).
  bool interrupts_wanted(u16 queue) const { return (*at<u16>(rings[queue].available) & 1) == 0; }
  void set_available_event(u16 queue, u16 event) {
    std::memcpy(at<u8>(rings[queue].used) + 4 + rings[queue].size * 8, &event, 2);
  }

 private:
  template <typename T>
  static T* at(PhysAddr address) {
    return reinterpret_cast<T*>(platform::direct_map(address));
  }
  template <typename T>
  T config_at(u32 offset) {
    ++config_reads;
    T value;
    std::memcpy(&value, config + offset, sizeof value);
    return value;
  }
  VirtioStatus status_ = VirtioStatus::kNone;
  Handler handler_ = nullptr;
  void* argument_ = nullptr;
};

}  // namespace narwhal
