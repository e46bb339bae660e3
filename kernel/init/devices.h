// What kernel/init needs of the machine's devices. Each home has its own: vm/devices.cc,
// process/devices.cc; the image chooses.
#pragma once

#include "kernel/drivers/block_device.h"
#include "kernel/drivers/console_port.h"
#include "kernel/drivers/net_device.h"
#include "kernel/drivers/p9_channel.h"
#include "kernel/init/settings.h"

namespace narwhal {

// Finds them and starts their drivers. What does not answer, or is not known, is passed over with a
// message.
void start_devices(const BootSettings& settings);
// A stream of bytes to the host, by its name in docs/boot-contract.md; null: the host offers none.
Ref<ConsolePort> host_port(std::string_view name);
// What takes the place of the program's streams where the host offers none. ENOMEM.
Result<Ref<ConsolePort>> fallback_port();
// A folder that the host shares; null: there is none of that name.
Ref<P9Channel> shared_folder(std::string_view tag);
// The program is about to start: gives up what the kernel may do outside of itself and needs no
// more. In a machine there is nothing to give up.
void confine_kernel();
// The disks found, in order; empties the list.
Vector<Ref<BlockDevice>> take_block_devices();
// The network cards found, in order; empties the list.
Vector<Ref<NetDevice>> take_net_devices();

}  // namespace narwhal
