// What a tmpfs may use and what it uses.
#pragma once

#include "kernel/base/ref.h"

namespace narwhal {

// Outlives its file system where mappings keep a file's pages.
class TmpfsAccount final : public RefCounted {
 public:
  static constexpr u64 kUnlimited = ~u64{0};

  // ENOSPC.
  Result<> charge_pages(u64 count) { return charge(pages_, max_pages, count); }
  void release_pages(u64 count) { pages_.fetch_sub(count, Order::kRelaxed); }
  Result<> charge_inode() { return charge(inodes_, max_inodes, 1); }
  void release_inode() { inodes_.fetch_sub(1, Order::kRelaxed); }
  u64 pages() const { return pages_.load(Order::kRelaxed); }
  u64 inodes() const { return inodes_.load(Order::kRelaxed); }
  u64 next_inode_number() { return last_inode_number_.fetch_add(1, Order::kRelaxed) + 1; }

  Atomic<u64> max_pages{kUnlimited};
  Atomic<u64> max_inodes{kUnlimited};

 private:
  static Result<> charge(Atomic<u64>& used, const Atomic<u64>& limit, u64 count) {
    if (used.fetch_add(count, Order::kRelaxed) + count <= limit.load(Order::kRelaxed)) return {};
    used.fetch_sub(count, Order::kRelaxed);
    return Errno::kNoSpc;
  }
  Atomic<u64> pages_{0};
  Atomic<u64> inodes_{0};
  Atomic<u64> last_inode_number_{0};
};

}  // namespace narwhal
