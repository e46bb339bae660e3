// virtio 9P transport (virtio 1.2, section 5.9 "9P transport"; the layout is that of QEMU and
// Linux): one queue, whose chains hold a message for the server and room for its answer.
#pragma once

#include "kernel/drivers/p9_channel.h"
#include "kernel/drivers/virtio/transport.h"

namespace narwhal {

// ENODEV, ENOMEM.
Result<> start_virtio_p9(Ref<VirtioTransport> transport);

}  // namespace narwhal
