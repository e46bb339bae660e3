// virtio-net (virtio 1.1, section 5.1).
#pragma once

#include "kernel/drivers/net_device.h"
#include "kernel/drivers/virtio/transport.h"

namespace narwhal {

// Sets a network card up; it is live, and silent until its events are enabled. ENODEV, ENOMEM.
Result<Ref<NetDevice>> start_virtio_net(Ref<VirtioTransport> transport);

}  // namespace narwhal
