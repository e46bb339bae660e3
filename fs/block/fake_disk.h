// For host tests: a disk in memory, which answers late, in any order, and may fail.
#pragma once

#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "kernel/drivers/block_device.h"
#include "kernel/platform/machine.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal::testing {

class FakeDisk final : public BlockDevice {
 public:
  using Operation = BlockRequest::Operation;

  explicit FakeDisk(u64 sectors) : content(sectors * kSectorSize) {
    traits_.sectors = sectors;
    traits_.has_cache = true;
    traits_.most_segments = 6;
    traits_.most_discarded = 100;
    traits_.most_zeroed = 100;
    traits_.serial = "fake";
    start_kernel_thread(
        "fake disk", [](void* self) { static_cast<FakeDisk*>(self)->run(); }, this)
        .ignore();
  }

  const Traits& traits() const override { return traits_; }
  Traits& traits_to_change() { return traits_; }

  void submit(BlockRequest& request) override {
    pending.push_back(&request);
    if (pending.size() > most_pending) most_pending = pending.size();
    arrived_.wake_all();
  }

  // While it is held nothing is answered.
  void hold() { held_ = true; }
  void let_go() {
    held_ = false;
    arrived_.wake_all();
  }

  std::vector<std::byte> content;
  std::vector<std::byte> durable;  // the content at the last flush
  std::set<u64> bad_sectors;       // can neither be read nor written
  bool fails_flushes = false;
  std::vector<BlockRequest*> pending;
  usize most_pending = 0;
  usize requests[5] = {};  // by operation
  usize count(Operation operation) const { return requests[usize(operation)]; }

 private:
  void run() {
    for (;;) {
      ScopedWait wait(arrived_, PollEvents::kAll);
      prepare_to_sleep();
      if (pending.empty() || held_) {
        sleep(Interruptible::kNo).ignore();
        continue;
      }
      cancel_sleep();
      // Others may ask meanwhile, as they may of a device.
      const usize which = random_() % pending.size();
      BlockRequest& request = *pending[which];
      pending.erase(pending.begin() + isize(which));
      const Errno error = answer(request);
      request.done(request, error);
    }
  }

  Errno answer(BlockRequest& request) {
    ++requests[usize(request.operation)];
    if (request.operation == Operation::kFlush) {
      if (fails_flushes) return Errno::kIo;
      durable = content;
      return Errno{};
    }
    usize bytes = request.sector_count * kSectorSize;
    for (const auto& segment : request.segments) bytes += segment.length;
    if (bytes == 0 || bytes % kSectorSize != 0 ||
        request.sector * kSectorSize + bytes > content.size() ||
        request.segments.size() > traits_.most_segments)
      return Errno::kInval;
    const auto bad = bad_sectors.lower_bound(request.sector);
    if (bad != bad_sectors.end() && *bad < request.sector + bytes / kSectorSize) return Errno::kIo;
    std::byte* at = content.data() + request.sector * kSectorSize;
    if (request.segments.empty()) {
      std::memset(at, request.operation == Operation::kDiscard ? 0xdd : 0, bytes);
      return Errno{};
    }
    for (const auto& segment : request.segments) {
      std::byte* memory = platform::direct_map(segment.address);
      if (request.operation == Operation::kRead)
        std::memcpy(memory, at, segment.length);
      else
        std::memcpy(at, memory, segment.length);
      at += segment.length;
    }
    return Errno{};
  }

  Traits traits_;
  bool held_ = false;
  std::mt19937 random_{1};
  WaitQueue arrived_;
};

}  // namespace narwhal::testing
