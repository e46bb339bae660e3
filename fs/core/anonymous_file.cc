#include "fs/core/anonymous_file.h"

namespace narwhal {
namespace {

constexpr u64 kAnonymousDevice = make_device(0, 14);
constinit Atomic<u64> last_inode{1000};
// Linux gives all anonymous files one inode.
constexpr u64 kSharedInode = 1;

}  // namespace

u64 next_anonymous_inode() {
  return last_inode.fetch_add(1, Order::kRelaxed) + 1;
}

Result<> AnonymousFile::stat(abi::Stat& out) {
  out = {};
  out.device = kAnonymousDevice;
  out.inode = kSharedInode;
  out.links = 1;
  out.mode = mode_;
  out.block_size = kPageSize;
  return {};
}

}  // namespace narwhal
