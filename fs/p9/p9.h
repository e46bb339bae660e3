// A folder of the host, shared by a 9P server, as a file system.
//
// Names, attributes and content are the host's at the moment of asking: nothing is kept here but
// pages of mapped files (pages.h). Locks, leases and watches are the guest's own.
#pragma once

#include "fs/core/file_system.h"
#include "kernel/drivers/p9_channel.h"

namespace narwhal {

// EPROTO when the server does not speak 9P2000.L; its errors, ENOMEM.
Result<Ref<FileSystem>> create_p9_file_system(Ref<P9Channel> channel);

}  // namespace narwhal
