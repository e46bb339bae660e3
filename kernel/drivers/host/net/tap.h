// A TAP device of the host's as a network card (Documentation/networking/tuntap.rst): a descriptor
// of which each read and each write is a frame behind a virtio header (IFF_VNET_HDR, twelve bytes),
// in which sums and the cutting of segments are left to the other side, both ways.
#pragma once

#include "kernel/drivers/net_device.h"

namespace narwhal {

// `fd` does not block. ENOMEM.
Result<Ref<NetDevice>> start_tap(int fd, u32 mtu);

}  // namespace narwhal
