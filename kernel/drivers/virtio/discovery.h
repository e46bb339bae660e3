// Finding the virtio devices of the machine: those named on the command line, and those on PCI.
#pragma once

#include <string_view>

#include "kernel/drivers/virtio/transport.h"

namespace narwhal {

// A `virtio_mmio.device=SIZE@BASE:IRQ` setting, as Linux and QEMU write it: sizes with K, M or G,
// numbers decimal or 0x. EINVAL.
struct MmioDeviceSetting {
  u64 size;
  PhysAddr base;
  u32 irq;
};
Result<MmioDeviceSetting> parse_mmio_device(std::string_view text);

using VirtioFound = void (*)(Ref<VirtioTransport> transport);
// Each looks where it is told to and calls `found` for every device that answers.
Result<> discover_virtio_mmio(std::string_view setting, VirtioFound found);
void discover_virtio_pci(VirtioFound found);

}  // namespace narwhal
