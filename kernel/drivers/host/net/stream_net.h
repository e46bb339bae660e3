// A network card on a stream socket: frames, each behind its length in four bytes, big end first.
// QEMU's "stream" network has it so (net/stream.c), and passt(1) speaks it: a network for users
// without privileges.
#pragma once

#include "kernel/drivers/net_device.h"

namespace narwhal {

// `fd` does not block. ENOMEM.
Result<Ref<NetDevice>> start_stream_net(int fd, u32 mtu);

}  // namespace narwhal
