// Transfers to and from a device, counted (/sys/block/vda/stat) and waited for.
#pragma once

#include "kernel/drivers/block_device.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal {

// What Documentation/admin-guide/iostats.rst counts. A number is exact by itself; all together are
// of nearly the same moment.
struct DiskStatistics {
  struct Kind {
    Atomic<u64> requests, sectors, ns;
  };
  Kind reads, writes, discards, flushes;
  Atomic<u32> in_flight;
  Atomic<u64> busy_ns, weighted_ns;
};

class DiskQueue : NonCopyable {
 public:
  explicit DiskQueue(Ref<BlockDevice> device) : device_(std::move(device)) {}
  const BlockDevice::Traits& traits() const { return device_->traits(); }
  const DiskStatistics& statistics() const { return statistics_; }

  class Batch;
  struct Request : BlockRequest {
    Batch* batch = nullptr;
    u64 started_ns = 0;
  };
  // Requests of one caller's, all on their way at once.
  class Batch : NonCopyable {
   public:
    explicit Batch(DiskQueue& queue) : queue_(queue) {}
    ~Batch() { wait().ignore(); }
    // The request and its segments stay as they are until wait() returns.
    void submit(Request& request);
    // Sleeps until all are done, and says what went wrong first. Not interruptible.
    Result<> wait();

   private:
    friend class DiskQueue;
    DiskQueue& queue_;
    Atomic<u32> pending_{0};
    Atomic<u32> error_{0};
  };

  // One request, waited for. EIO, EOPNOTSUPP.
  Result<> transfer(BlockRequest::Operation operation, u64 sector,
                    std::span<const BlockRequest::Segment> segments);
  // What has been written survives. Devices without a cache have nothing to do.
  Result<> flush();
  // kDiscard or kWriteZeroes, in pieces that the device takes.
  Result<> change_range(BlockRequest::Operation operation, u64 sector, u64 count, bool may_unmap);

 private:
  static void on_done(BlockRequest& request, Errno error);
  DiskStatistics::Kind& counted_as(BlockRequest::Operation operation);

  const Ref<BlockDevice> device_;
  DiskStatistics statistics_;
  Atomic<u64> busy_since_ns_{0};
  WaitQueue finished_;  // a batch may be gone as soon as its last request is
};

}  // namespace narwhal
