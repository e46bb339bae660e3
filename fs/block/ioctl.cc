#include "fs/block/ioctl.h"

#include "kernel/abi/block.h"

namespace narwhal {
namespace {

constexpr u32 kSector = 512;
constexpr u16 kMostSectors = 2560;  // BLK_DEF_MAX_SECTORS in Linux

template <typename T>
Result<i64> answer(UserAddr argument, T value) {
  TRY(store_user(argument, value));
  return i64{0};
}

// The unit of Linux's cache: a page, or less where the size is no multiple of it
// (set_init_blocksize() in Linux).
i32 cache_block(const BlockAnswers& answers) {
  u64 size = answers.logical_block;
  while (size < kPageSize && (answers.size & size) == 0) size *= 2;
  return i32(size);
}

}  // namespace

Result<i64> block_question(u32 command, UserAddr argument, const BlockAnswers& answers) {
  switch (command) {
    case abi::kBlkGetReadOnly:
      return answer(argument, i32{answers.read_only});
    case abi::kBlkGetSize:
      return answer(argument, answers.size / kSector);
    case abi::kBlkGetSize64:
      return answer(argument, answers.size);
    case abi::kBlkSectorSize:
      return answer(argument, i32(answers.logical_block));
    case abi::kBlkPhysicalSectorSize:
      return answer(argument, answers.physical_block);
    case abi::kBlkMinimumIo:
      return answer(argument, answers.minimum_io);
    case abi::kBlkOptimalIo:
      return answer(argument, answers.optimal_io);
    case abi::kBlkAlignment:
      return answer(argument, i32(answers.alignment));
    case abi::kBlkMostSectors:
      return answer(argument, kMostSectors);
    case abi::kBlkGetReadAhead:
    case abi::kBlkGetFileReadAhead:
      return answer(argument, i64{answers.read_ahead});
    case abi::kBlkDiscardZeroes:
      return answer(argument, u32{0});
    case abi::kBlkBlockSize:
      return answer(argument, cache_block(answers));
    case abi::kBlkSetBlockSize: {
      const i32 size = TRY(load_user<i32>(argument));
      if (size < i32(answers.logical_block) || size > i32(kPageSize) || (size & (size - 1)) != 0)
        return Errno::kInval;
      return i64{0};
    }
    default:
      return Errno::kNotTty;
  }
}

}  // namespace narwhal
