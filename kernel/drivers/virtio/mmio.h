// virtio over memory-mapped registers (virtio 1.1, section 4.2), version 2.
#pragma once

#include "kernel/drivers/virtio/transport.h"

namespace narwhal {

// Looks at the registers at `base`. ENODEV: nothing is there, an empty slot (device type 0), or
// version 1, whose way out is said in a message.
Result<Ref<VirtioTransport>> probe_virtio_mmio(PhysAddr base, u64 size, u32 irq_line);

}  // namespace narwhal
