#include "kernel/drivers/virtio/mmio.h"

#include "kernel/base/log.h"
#include "kernel/platform/machine.h"

namespace narwhal {
namespace {

// Section 4.2.2.
enum Register : u32 {
  kMagic = 0x000,
  kVersion = 0x004,
  kDeviceId = 0x008,
  kDeviceFeatures = 0x010,
  kDeviceFeaturesSelect = 0x014,
  kDriverFeatures = 0x020,
  kDriverFeaturesSelect = 0x024,
  kQueueSelect = 0x030,
  kQueueSizeMax = 0x034,
  kQueueSize = 0x038,
  kQueueReady = 0x044,
  kQueueNotify = 0x050,
  kInterruptStatus = 0x060,
  kInterruptAcknowledge = 0x064,
  kStatus = 0x070,
  kQueueDescriptors = 0x080,
  kQueueDriver = 0x090,
  kQueueDevice = 0x0a0,
  kConfigGeneration = 0x0fc,
  kConfig = 0x100,
};
constexpr u32 kMagicValue = 0x74726976;  // "virt"

class MmioTransport final : public VirtioTransport {
 public:
  MmioTransport(std::byte* registers, PhysAddr base, u32 irq_line)
      : registers_(registers), base_(base), irq_line_(irq_line) {}

  VirtioDevice device_type() override { return VirtioDevice(read(kDeviceId)); }
  u64 device_features() override {
    write(kDeviceFeaturesSelect, 1);
    const u64 high = read(kDeviceFeatures);
    write(kDeviceFeaturesSelect, 0);
    return high << 32 | read(kDeviceFeatures);
  }
  void set_driver_features(u64 features) override {
    write(kDriverFeaturesSelect, 1);
    write(kDriverFeatures, u32(features >> 32));
    write(kDriverFeaturesSelect, 0);
    write(kDriverFeatures, u32(features));
  }
  VirtioStatus status() override { return VirtioStatus(u8(read(kStatus))); }
  void set_status(VirtioStatus status) override { write(kStatus, u32(status)); }

  u16 queue_max_size(u16 queue) override {
    write(kQueueSelect, queue);
    const u32 size = read(kQueueSizeMax);
    return size > 32768 ? 32768 : u16(size);
  }
  Result<> start_queue(u16 queue, u16 size, PhysAddr descriptors, PhysAddr available,
                       PhysAddr used) override {
    write(kQueueSelect, queue);
    if (read(kQueueReady) != 0) return Errno::kBusy;
    write(kQueueSize, size);
    write64(kQueueDescriptors, descriptors.value);
    write64(kQueueDriver, available.value);
    write64(kQueueDevice, used.value);
    write(kQueueReady, 1);
    return {};
  }
  void notify(u16 queue) override { write(kQueueNotify, queue); }

  Result<> set_interrupt_handler(Handler handler, void* argument) override {
    handler_ = handler;
    argument_ = argument;
    return platform::register_irq(irq_line_, false, false, on_interrupt, this);
  }

  u8 config8(u32 offset) override {
    return *reinterpret_cast<volatile u8*>(registers_ + kConfig + offset);
  }
  u16 config16(u32 offset) override {
    return *reinterpret_cast<volatile u16*>(registers_ + kConfig + offset);
  }
  u32 config32(u32 offset) override { return read(kConfig + offset); }
  u32 config_generation() override { return read(kConfigGeneration); }

  TextSink& describe(TextSink& out) override { return out << "mmio " << base_; }

 private:
  // The line is edge-triggered: the status must have been seen at zero, or no new edge comes.
  static void on_interrupt(void* self) {
    auto& transport = *static_cast<MmioTransport*>(self);
    while (u32 pending = transport.read(kInterruptStatus)) {
      transport.write(kInterruptAcknowledge, pending);
      transport.handler_(transport.argument_);
    }
  }
  u32 read(u32 offset) const { return *reinterpret_cast<volatile u32*>(registers_ + offset); }
  void write(u32 offset, u32 value) {
    *reinterpret_cast<volatile u32*>(registers_ + offset) = value;
  }
  void write64(u32 offset, u64 value) {
    write(offset, u32(value));
    write(offset + 4, u32(value >> 32));
  }

  std::byte* registers_;
  PhysAddr base_;
  u32 irq_line_;
  Handler handler_ = nullptr;
  void* argument_ = nullptr;
};

}  // namespace

Result<Ref<VirtioTransport>> probe_virtio_mmio(PhysAddr base, u64 size, u32 irq_line) {
  if (size < kConfig) return Errno::kInval;
  std::byte* registers = TRY(platform::map_device(base, size));
  auto transport = TRY(make_ref<MmioTransport>(registers, base, irq_line));
  const auto word = [&](u32 offset) {
    return *reinterpret_cast<volatile u32*>(registers + offset);
  };
  if (word(kMagic) != kMagicValue || word(kDeviceId) == 0) return Errno::kNoDev;
  if (word(kVersion) != 2) {
    LOG_ERROR("virtio mmio " << base << ": version " << word(kVersion)
                             << " of the interface is not supported; with QEMU, add -global "
                                "virtio-mmio.force-legacy=false");
    return Errno::kNoDev;
  }
  return Ref<VirtioTransport>(std::move(transport));
}

}  // namespace narwhal
