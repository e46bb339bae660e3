// virtio block device (virtio 1.2, section 5.2).
#pragma once

#include "kernel/drivers/block_device.h"
#include "kernel/drivers/virtio/transport.h"

namespace narwhal {

// ENODEV (with a message), ENOMEM. Sleeps while the device is asked for its serial number.
Result<Ref<BlockDevice>> start_virtio_block(Ref<VirtioTransport> transport);

}  // namespace narwhal
