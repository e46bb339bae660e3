// What every block device answers by ioctl(2).
#pragma once

#include "kernel/base/result.h"
#include "kernel/platform/user.h"

namespace narwhal {

struct BlockAnswers {
  u64 size = 0;  // bytes
  bool read_only = false;
  u32 logical_block = 512;
  u32 physical_block = 512;
  u32 minimum_io = 512;
  u32 optimal_io = 0;
  u32 alignment = 0;
  u32 read_ahead = 0;  // sectors
};

// The commands that ask and change nothing, and BLKBSZSET, whose value nothing depends on. ENOTTY
// for others; EFAULT, EINVAL.
Result<i64> block_question(u32 command, UserAddr argument, const BlockAnswers& answers);

}  // namespace narwhal
