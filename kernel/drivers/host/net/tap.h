// A TAP device of the host's as a network card (Documentation/networking/tuntap.rst): a descriptor
// of which each read and each write is a frame behind a virtio header (IFF_VNET_HDR, twelve bytes),
// in which sums and the cutting of segments are left to the other side, both ways. A device with
// several queues has a descriptor for each; a CPU sends by one of its own, where there are enough.
#pragma once

#include "kernel/drivers/net_device.h"

namespace narwhal {

// `fds`, one for each queue, do not block. ENOMEM; EINVAL: more queues than there can be CPUs.
Result<Ref<NetDevice>> start_tap(std::span<const int> fds, u32 mtu);

}  // namespace narwhal
