// The machine's serial port as a ConsolePort: the program's console where there is no virtio
// console.
#pragma once

#include "kernel/drivers/console_port.h"

namespace narwhal {

// The one port; it takes over what is typed there. ENOMEM.
Result<Ref<ConsolePort>> open_uart_port();

}  // namespace narwhal
