#include "fs/block/queue.h"

namespace narwhal {

using Operation = BlockRequest::Operation;

DiskStatistics::Kind& DiskQueue::counted_as(Operation operation) {
  switch (operation) {
    case Operation::kRead:
      return statistics_.reads;
    case Operation::kFlush:
      return statistics_.flushes;
    case Operation::kDiscard:
      return statistics_.discards;
    case Operation::kWrite:
    case Operation::kWriteZeroes:
      break;
  }
  return statistics_.writes;
}

void DiskQueue::Batch::submit(Request& request) {
  request.batch = this;
  request.done = on_done;
  request.started_ns = platform::monotonic_ns();
  pending_.fetch_add(1, Order::kRelaxed);
  if (queue_.statistics_.in_flight.fetch_add(1, Order::kRelaxed) == 0)
    queue_.busy_since_ns_.store(request.started_ns, Order::kRelaxed);
  queue_.device_->submit(request);
}

void DiskQueue::on_done(BlockRequest& done, Errno error) {
  auto& request = static_cast<Request&>(done);
  Batch& batch = *request.batch;
  DiskQueue& queue = batch.queue_;
  const u64 now = platform::monotonic_ns(), took = now - request.started_ns;
  DiskStatistics::Kind& kind = queue.counted_as(request.operation);
  u64 sectors = request.sector_count;
  for (const auto& segment : request.segments) sectors += segment.length / kSectorSize;
  kind.requests.fetch_add(1, Order::kRelaxed);
  kind.sectors.fetch_add(sectors, Order::kRelaxed);
  kind.ns.fetch_add(took, Order::kRelaxed);
  queue.statistics_.weighted_ns.fetch_add(took, Order::kRelaxed);
  if (queue.statistics_.in_flight.fetch_sub(1, Order::kRelaxed) == 1)
    queue.statistics_.busy_ns.fetch_add(now - queue.busy_since_ns_.load(Order::kRelaxed),
                                        Order::kRelaxed);
  u32 none = 0;
  if (error != Errno{}) batch.error_.compare_exchange(none, u32(error), Order::kRelaxed);
  // The last touch: whoever waits may return.
  if (batch.pending_.fetch_sub(1, Order::kAcqRel) == 1) queue.finished_.wake_all();
}

Result<> DiskQueue::Batch::wait() {
  if (pending_.load(Order::kAcquire) != 0) {
    ScopedWait wait(queue_.finished_, PollEvents::kAll);
    for (;;) {
      prepare_to_sleep();
      if (pending_.load(Order::kAcquire) == 0) break;
      sleep(Interruptible::kNo).ignore();
    }
    cancel_sleep();
  }
  return Errno(error_.load(Order::kRelaxed));
}

Result<> DiskQueue::transfer(Operation operation, u64 sector,
                             std::span<const BlockRequest::Segment> segments) {
  Request request;
  request.operation = operation;
  request.sector = sector;
  request.segments = segments;
  Batch batch(*this);
  batch.submit(request);
  return batch.wait();
}

Result<> DiskQueue::flush() {
  if (!traits().has_cache) return {};
  return transfer(Operation::kFlush, 0, {});
}

Result<> DiskQueue::change_range(Operation operation, u64 sector, u64 count, bool may_unmap) {
  const u64 most =
      operation == Operation::kDiscard ? traits().most_discarded : traits().most_zeroed;
  if (most == 0) return Errno::kOpNotSupp;
  const u64 block = traits().logical_block / kSectorSize;
  const u64 step = most > block ? most - most % block : block;
  while (count != 0) {
    Request request;
    request.operation = operation;
    request.sector = sector;
    request.sector_count = count < step ? count : step;
    request.may_unmap = may_unmap;
    Batch batch(*this);
    batch.submit(request);
    TRY(batch.wait());
    sector += request.sector_count;
    count -= request.sector_count;
  }
  return {};
}

}  // namespace narwhal
