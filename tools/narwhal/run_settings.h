// What the kernel of a run is told (docs/boot-contract.md).
#pragma once

#include <string>

#include "tools/narwhal/command_line.h"
#include "tools/narwhal/host_devices.h"
#include "tools/narwhal/machine.h"
#include "tools/pack/boot_settings.h"

namespace narwhal::tools {

// What one of our own streams is, in the contract's words.
std::string kind_of_stream(int fd);

// What belongs to this run and not to the program, in the archive: nobody else can read it there.
void add_run_settings(const Options& options, BootSettings& settings);

// What belongs to the machine: on the kernel's command line, where --dry-run shows it.
std::string machine_settings(const Options& options, const MachineSettings& machine,
                             const HostDevices& devices);

}  // namespace narwhal::tools
