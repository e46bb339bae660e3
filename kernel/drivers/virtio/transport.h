// How a virtio device is reached: registers in memory (virtio 1.1, section 4.2) or PCI (4.1).
// Drivers see only this.
#pragma once

#include "kernel/base/addr.h"
#include "kernel/base/flags.h"
#include "kernel/base/ref.h"

namespace narwhal {

enum class VirtioDevice : u32 {
  kNone = 0,
  kNet = 1,
  kBlock = 2,
  kConsole = 3,
  kEntropy = 4,
  kBalloon = 5,
  k9p = 9,
  kVsock = 19
};

// Feature bits that belong to no device type (section 6).
inline constexpr u64 kVirtioRingIndirect = u64{1} << 28;
inline constexpr u64 kVirtioRingEventIndex = u64{1} << 29;
inline constexpr u64 kVirtioVersion1 = u64{1} << 32;
inline constexpr u64 kVirtioAccessPlatform = u64{1} << 33;

// Device status (section 2.1).
enum class VirtioStatus : u8 {
  kNone = 0,
  kAcknowledge = 1,
  kDriver = 2,
  kDriverOk = 4,
  kFeaturesOk = 8,
  kNeedsReset = 64,
  kFailed = 128,
};
ENABLE_FLAGS(VirtioStatus);

class VirtioTransport : public RefCounted {
 public:
  virtual VirtioDevice device_type() = 0;
  virtual u64 device_features() = 0;
  virtual void set_driver_features(u64 features) = 0;
  virtual VirtioStatus status() = 0;
  virtual void set_status(VirtioStatus status) = 0;  // kNone resets the device

  // Entries that the device can take in a queue; 0: there is no such queue.
  virtual u16 queue_max_size(u16 queue) = 0;
  // Hands the three parts of a queue to the device and starts it.
  virtual Result<> start_queue(u16 queue, u16 size, PhysAddr descriptors, PhysAddr available,
                               PhysAddr used) = 0;
  virtual void notify(u16 queue) = 0;

  // One handler for all queues of the device and for changes of its configuration; interrupt
  // context. ENOSPC.
  using Handler = void (*)(void* argument);
  virtual Result<> set_interrupt_handler(Handler handler, void* argument) = 0;

  // The device's own configuration space. Fields of more than a byte are read in one access;
  // read_config() reads what belongs together without tearing (section 2.4.1).
  virtual u8 config8(u32 offset) = 0;
  virtual u16 config16(u32 offset) = 0;
  virtual u32 config32(u32 offset) = 0;
  virtual u32 config_generation() = 0;

  // "mmio 0xfeb00e00" or "pci 00:02.0", for messages.
  virtual class TextSink& describe(TextSink& out) = 0;
};

// The steps of section 3.1.1 up to the choice of queues: reset, acknowledge, features. `wanted` are
// the features that the driver can use, `required` those that it can't do without. Returns what was
// agreed. ENODEV with a message.
Result<u64> virtio_negotiate(VirtioTransport& transport, u64 wanted, u64 required);
// The last step; the device is live after it.
void virtio_driver_ok(VirtioTransport& transport);

}  // namespace narwhal
