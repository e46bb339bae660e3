#include "kernel/drivers/virtio/entropy.h"

#include <cstring>

#include "kernel/drivers/virtio/queue.h"
#include "kernel/mm/frame.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {
namespace {

struct EntropyDevice {
  explicit EntropyDevice(Ref<VirtioTransport> t) : transport(std::move(t)) {}
  Ref<VirtioTransport> transport;
  VirtQueue queue;
  FrameRef buffer;
  SpinLock<LockRank::kDevice> lock;
};
constinit EntropyDevice* the_device = nullptr;
constexpr usize kMostBytes = 64;

}  // namespace

Result<> start_virtio_entropy(Ref<VirtioTransport> transport) {
  auto device = TRY(make_own<EntropyDevice>(std::move(transport)));
  const u64 features = TRY(virtio_negotiate(*device->transport, 0, 0));
  device->buffer = TRY(FrameRef::allocate(FrameContent::kZeroed));
  TRY(device->queue.start(*device->transport, 0, 1, features));
  device->queue.disable_interrupts();
  virtio_driver_ok(*device->transport);
  the_device = device.release();  // it lives as long as the machine
  return {};
}

usize virtio_entropy(std::span<std::byte> out, u64 deadline_ns) {
  if (!the_device) return 0;
  EntropyDevice& device = *the_device;
  SpinGuard guard(device.lock);
  const usize wanted = out.size() < kMostBytes ? out.size() : kMostBytes;
  if (device.queue.in_flight() == 0) {
    const VirtQueue::Segment segment{device.buffer.address(), u32(wanted)};
    if (!device.queue.submit({}, {&segment, 1}, &device).ok()) return 0;
    device.queue.kick();
  }
  for (;;) {
    if (auto done = device.queue.pop(); done.token) {
      const usize size = done.written < wanted ? done.written : wanted;
      std::memcpy(out.data(), device.buffer.data(), size);
      std::memset(device.buffer.data(), 0, size);
      return size;
    }
    if (device.queue.broken() || platform::monotonic_ns() >= deadline_ns) return 0;
    __builtin_ia32_pause();
  }
}

}  // namespace narwhal
