// Disks in /sys and /proc.
#pragma once

#include "fs/generated/generated.h"

namespace narwhal {

// /sys/block/vda, and the links to it by number and class. ENOMEM.
Result<> disks_add_to_sys(GeneratedFileSystem& sys);
// Lines of /proc/partitions and /proc/diskstats.
Result<> disks_show_partitions(TextSink& out);
Result<> disks_show_statistics(TextSink& out);

}  // namespace narwhal
