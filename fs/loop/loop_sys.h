// /sys/block/loopN: size, and what losetup(8) reads of a device's settings.
#pragma once

#include "fs/generated/generated.h"

namespace narwhal {

// Adds "block" to /sys. ENOMEM.
Result<> loop_add_to_sys(GeneratedFileSystem& sys);
// The beginning of /proc/partitions, and the devices that have a size, as on Linux.
Result<> loop_show_partitions(TextSink& out);

}  // namespace narwhal
