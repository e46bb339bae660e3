// Finds the machine's devices and starts their drivers.
#pragma once

#include "kernel/drivers/net_device.h"
#include "kernel/init/settings.h"

namespace narwhal {

// What does not answer, or is not known, is passed over with a message.
void start_devices(const BootSettings& settings);
// A virtio console was found: the streams of the boot contract come over it.
bool have_virtio_console();
// The network cards found, in order; empties the list.
Vector<Ref<NetDevice>> take_net_devices();

}  // namespace narwhal
