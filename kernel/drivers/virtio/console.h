// virtio console (virtio 1.1, section 5.3) with its named ports: the streams of
// docs/boot-contract.md.
#pragma once

#include "kernel/drivers/console_port.h"
#include "kernel/drivers/virtio/transport.h"

namespace narwhal {

// Sets the device up and asks for its ports, which answer a little later. ENODEV, ENOMEM.
Result<> start_virtio_console(Ref<VirtioTransport> transport);

// A port by the name that the host gave it. Waits up to `deadline_ns` for it to appear and to be
// open on the side of the host. ENODEV: it did not appear.
// Call it from a thread.
Result<Ref<ConsolePort>> find_console_port(std::string_view name, u64 deadline_ns);

}  // namespace narwhal
