// virtio entropy device (virtio 1.1, section 5.4): random bytes from the host.
#pragma once

#include <span>

#include "kernel/drivers/virtio/transport.h"

namespace narwhal {

// ENODEV, ENOMEM.
Result<> start_virtio_entropy(Ref<VirtioTransport> transport);
// Up to 64 bytes from the host; waits for them by polling, at most until `deadline_ns`. Returns how
// many came; 0 without a device.
usize virtio_entropy(std::span<std::byte> out, u64 deadline_ns);

}  // namespace narwhal
