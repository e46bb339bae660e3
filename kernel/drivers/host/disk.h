// A file of the host as a BlockDevice of the process home.
#pragma once

#include "kernel/drivers/block_device.h"

namespace narwhal {

// `fd`: a socket to a server of the disk (disk_message.h), which does not block and is not closed.
// `serial` stays. ENOMEM.
Result<Ref<BlockDevice>> start_host_disk(int fd, u64 sectors, bool read_only,
                                         std::string_view serial);

}  // namespace narwhal
