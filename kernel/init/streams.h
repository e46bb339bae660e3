// The program's standard streams over the host's ports.
#pragma once

#include "kernel/init/settings.h"
#include "process/fd_table.h"

namespace narwhal {

// Starts the control channel (control.h), if the host offers one.
void open_control();
// Opens descriptors 0, 1 and 2 as the settings say, and makes the terminal among them the console
// (/dev/console, /dev/tty). Waits for the host's ports to appear.
Result<Ref<FdTable>> open_streams(const BootSettings& settings);

}  // namespace narwhal
