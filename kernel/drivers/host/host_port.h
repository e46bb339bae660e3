// A descriptor that the process home holds as a ConsolePort: the program's streams, the control
// channel.
#pragma once

#include "kernel/drivers/console_port.h"

namespace narwhal {

// `name` must live as long as the kernel. ENOMEM.
Result<Ref<ConsolePort>> open_host_port(std::string_view name, int fd);

}  // namespace narwhal
