// A socket to a 9P server on the host as a P9Channel: messages one after the other, both ways, each
// beginning with its own length (9P, intro(5)).
#pragma once

#include "kernel/drivers/p9_channel.h"

namespace narwhal {

// `fd` does not block. `tag` (P9Channel's) must live for ever. ENOMEM.
Result<> start_host_p9(int fd, std::string_view tag);

}  // namespace narwhal
