// Files of this machine that the guest has as disks.
#pragma once

#include <cstdint>

#include "tools/base/unique_fd.h"
#include "tools/narwhal/machine.h"
#include "tools/narwhal/values.h"

namespace narwhal::tools {

struct Disk {
  UniqueFd fd;
  uint64_t size = 0;  // bytes
  DiskSettings settings;
};

// Opens it, past the page cache where its file system allows, and locks it as QEMU does
// (system/qemu-block-drivers(7), "file.locking"): several may read, one alone may write. The locks
// belong to the descriptor. Throws Error, which says what is wrong and what to do.
Disk open_disk(const DiskWish& wish);

}  // namespace narwhal::tools
