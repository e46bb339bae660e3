// virtio over PCI, modern interface (virtio 1.1, section 4.1).
#pragma once

#include "kernel/drivers/pci/pci.h"
#include "kernel/drivers/virtio/transport.h"

namespace narwhal {

bool is_virtio_pci(const PciFunction& function);

// ENODEV when the function is no virtio device with the modern interface.
Result<Ref<VirtioTransport>> probe_virtio_pci(const PciFunction& function);

}  // namespace narwhal
