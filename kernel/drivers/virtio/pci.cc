#include "kernel/drivers/virtio/pci.h"

#include "kernel/base/log.h"

namespace narwhal {
namespace {

constexpr u16 kVirtioVendor = 0x1af4;
constexpr u8 kVendorCapability = 0x09;

// Section 4.1.4: kinds of structures that capabilities point to.
enum Structure : u8 { kCommon = 1, kNotify = 2, kIsr = 3, kDevice = 4 };

// Section 4.1.4.3.
struct CommonConfig {
  u32 device_feature_select;
  u32 device_feature;
  u32 driver_feature_select;
  u32 driver_feature;
  u16 msix_config;
  u16 queue_count;
  u8 device_status;
  u8 config_generation;
  u16 queue_select;
  u16 queue_size;
  u16 queue_msix_vector;
  u16 queue_enable;
  u16 queue_notify_offset;
  u32 queue_descriptors[2];
  u32 queue_driver[2];
  u32 queue_device[2];
};
static_assert(sizeof(CommonConfig) == 56);
constexpr u16 kNoVector = 0xffff;

struct Region {
  std::byte* base = nullptr;
  u32 length = 0;
};

class PciTransport final : public VirtioTransport {
 public:
  PciTransport(const PciFunction& function, VirtioDevice type, Region common, Region notify,
               u32 multiplier, Region device)
      : function_(function),
        type_(type),
        common_(reinterpret_cast<volatile CommonConfig*>(common.base)),
        notify_(notify),
        notify_multiplier_(multiplier),
        device_(device) {}

  VirtioDevice device_type() override { return type_; }
  u64 device_features() override {
    common_->device_feature_select = 1;
    const u64 high = common_->device_feature;
    common_->device_feature_select = 0;
    return high << 32 | common_->device_feature;
  }
  void set_driver_features(u64 features) override {
    common_->driver_feature_select = 1;
    common_->driver_feature = u32(features >> 32);
    common_->driver_feature_select = 0;
    common_->driver_feature = u32(features);
  }
  VirtioStatus status() override { return VirtioStatus(common_->device_status); }
  void set_status(VirtioStatus status) override { common_->device_status = raw(status); }

  u16 queue_max_size(u16 queue) override {
    if (queue >= common_->queue_count) return 0;
    common_->queue_select = queue;
    return common_->queue_size;
  }
  Result<> start_queue(u16 queue, u16 size, PhysAddr descriptors, PhysAddr available,
                       PhysAddr used) override {
    common_->queue_select = queue;
    if (queue >= kMaxQueues || common_->queue_enable != 0) return Errno::kBusy;
    const u64 at = u64{common_->queue_notify_offset} * notify_multiplier_;
    if (at + sizeof(u16) > notify_.length) return Errno::kNoDev;
    notify_addresses_[queue] = reinterpret_cast<volatile u16*>(notify_.base + at);
    common_->queue_size = size;
    store64(common_->queue_descriptors, descriptors.value);
    store64(common_->queue_driver, available.value);
    store64(common_->queue_device, used.value);
    common_->queue_msix_vector = 0;
    if (common_->queue_msix_vector == kNoVector) return Errno::kNoSpc;
    common_->queue_enable = 1;
    return {};
  }
  void notify(u16 queue) override { *notify_addresses_[queue] = queue; }

  Result<> set_interrupt_handler(Handler handler, void* argument) override {
    TRY(function_.enable_msix(handler, argument));
    common_->msix_config = 0;
    return common_->msix_config == kNoVector ? Result<>(Errno::kNoSpc) : Result<>();
  }

  // Fields past the end of a short configuration space read as zero.
  u8 config8(u32 offset) override { return read<u8>(offset); }
  u16 config16(u32 offset) override { return read<u16>(offset); }
  u32 config32(u32 offset) override { return read<u32>(offset); }
  u32 config_generation() override { return common_->config_generation; }

  TextSink& describe(TextSink& out) override {
    return out << "pci " << hex_digits(function_.bus(), 2) << ':'
               << hex_digits(function_.device(), 2) << '.' << u32(function_.function());
  }

 private:
  static constexpr u16 kMaxQueues = 64;
  template <typename T>
  T read(u32 offset) const {
    if (!device_.base || offset + sizeof(T) > device_.length) return 0;
    return *reinterpret_cast<volatile T*>(device_.base + offset);
  }
  static void store64(volatile u32 (&where)[2], u64 value) {
    where[0] = u32(value);
    where[1] = u32(value >> 32);
  }

  PciFunction function_;
  VirtioDevice type_;
  volatile CommonConfig* common_;
  Region notify_;
  u32 notify_multiplier_;
  Region device_;
  volatile u16* notify_addresses_[kMaxQueues] = {};
};

// Maps what a virtio capability points to (section 4.1.4).
Result<Region> map_structure(const PciFunction& function, u8 capability) {
  const auto bar = TRY(function.bar(function.read8(u8(capability + 4))));
  const u64 offset = function.read32(u8(capability + 8));
  const u32 length = function.read32(u8(capability + 12));
  if (offset + length > bar.size) return Errno::kNoDev;
  return Region{TRY(platform::map_device(bar.address + offset, length)), length};
}

}  // namespace

bool is_virtio_pci(const PciFunction& function) {
  // 0x1040 + type: modern only; 0x1000 to 0x103f: transitional, told apart by the subsystem id.
  return function.vendor() == kVirtioVendor && function.device_id() >= 0x1000 &&
         function.device_id() <= 0x107f;
}

Result<Ref<VirtioTransport>> probe_virtio_pci(const PciFunction& function) {
  if (!is_virtio_pci(function)) return Errno::kNoDev;
  const u16 id = function.device_id();
  const auto type = VirtioDevice(id >= 0x1040 ? id - 0x1040 : function.read16(0x2e));
  function.enable();

  Region common, notify, device;
  u32 multiplier = 0;
  for (u8 at = function.find_capability(kVendorCapability); at != 0;
       at = function.find_capability(kVendorCapability, at)) {
    const u8 kind = function.read8(u8(at + 3));
    if (kind == kCommon && !common.base) common = TRY(map_structure(function, at));
    if (kind == kDevice && !device.base) device = TRY(map_structure(function, at));
    if (kind == kNotify && !notify.base) {
      notify = TRY(map_structure(function, at));
      multiplier = function.read32(u8(at + 16));
    }
  }
  if (!common.base || common.length < sizeof(CommonConfig) || !notify.base) {
    LOG_ERROR(
        "virtio pci: a device without the modern interface is not supported; with QEMU, drop "
        "disable-modern=on");
    return Errno::kNoDev;
  }
  return Ref<VirtioTransport>(
      TRY(make_ref<PciTransport>(function, type, common, notify, multiplier, device)));
}

}  // namespace narwhal
