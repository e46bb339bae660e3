#include "kernel/drivers/virtio/block.h"

#include <cstring>

#include "kernel/base/log.h"
#include "kernel/drivers/virtio/queue.h"
#include "kernel/mm/frame.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal {
namespace {

// Section 5.2.3.
constexpr u64 kSizeMax = u64{1} << 1;
constexpr u64 kSegmentsMax = u64{1} << 2;
constexpr u64 kReadOnly = u64{1} << 5;
constexpr u64 kBlockSize = u64{1} << 6;
constexpr u64 kFlush = u64{1} << 9;
constexpr u64 kTopology = u64{1} << 10;
constexpr u64 kDiscard = u64{1} << 13;
constexpr u64 kWriteZeroes = u64{1} << 14;
constexpr u64 kWanted = kSizeMax | kSegmentsMax | kReadOnly | kBlockSize | kFlush | kTopology |
                        kDiscard | kWriteZeroes | kVirtioRingIndirect | kVirtioRingEventIndex;

// Section 5.2.4: offsets of the fields.
enum Field : u32 {
  kCapacityAt = 0,
  kSizeMaxAt = 8,
  kSegmentsMaxAt = 12,
  kBlockSizeAt = 20,
  kPhysicalExponentAt = 24,
  kAlignmentAt = 25,
  kMinimumIoAt = 26,
  kOptimalIoAt = 28,
  kMostDiscardedAt = 36,
  kDiscardAlignmentAt = 44,
  kMostZeroedAt = 48,
};

// Section 5.2.6.
enum Type : u32 {
  kIn = 0,
  kOut = 1,
  kFlushAll = 4,
  kGetId = 8,
  kDiscardRange = 11,
  kZeroRange = 13
};
constexpr u8 kOk = 0, kUnsupported = 2, kNotAnswered = 0xff;
constexpr u32 kUnmap = 1;
constexpr usize kSerialSize = 20;
constexpr u16 kQueueSize = 64;

// What goes around a request's data, in memory that the device can reach.
struct Slot {
  u32 type = 0;
  u32 reserved = 0;
  u64 sector = 0;
  struct {
    u64 sector = 0;
    u32 count = 0;
    u32 flags = 0;
  } range;
  char serial[kSerialSize] = {};
  u8 status = kNotAnswered;
  u8 padding[3] = {};
};
static_assert(kQueueSize * sizeof(Slot) <= kPageSize);
constexpr u32 kHeaderSize = 16, kRangeSize = 16;

constexpr bool is_power_of_two(u64 value) {
  return value != 0 && (value & (value - 1)) == 0;
}

class VirtioBlock final : public BlockDevice {
 public:
  explicit VirtioBlock(Ref<VirtioTransport> transport) : transport_(std::move(transport)) {}

  Result<> start() {
    const u64 features =
        TRY(virtio_negotiate(*transport_, kWanted | kVirtioVersion1, kVirtioVersion1));
    TRY(read_traits(features));
    slots_frame_ = TRY(FrameRef::allocate(FrameContent::kZeroed));
    TRY(transport_->set_interrupt_handler(on_interrupt, this));
    {
      SpinGuard guard(lock_);
      for (usize i = 0; i < kQueueSize; ++i) free_slots_ |= u64{1} << i;
      TRY(queue_.start(*transport_, 0, kQueueSize, features));
      // Without indirect tables a chain takes as many places as it has parts.
      const u32 room = (features & kVirtioRingIndirect) ? VirtQueue::kMaxSegments : queue_.size();
      if (room < kPartsAround + 1) return Errno::kNoDev;
      if (traits_.most_segments > room - kPartsAround) traits_.most_segments = room - kPartsAround;
    }
    virtio_driver_ok(*transport_);
    read_serial();
    return {};
  }

  const Traits& traits() const override { return traits_; }

  void submit(BlockRequest& request) override {
    Requests failed;
    {
      SpinGuard guard(lock_);
      waiting_.push_back(request);
      send_waiting(failed);
    }
    finish(failed, Errno::kIo);
  }

 private:
  using Requests = List<BlockRequest, &BlockRequest::node>;
  using Operation = BlockRequest::Operation;
  static constexpr u32 kPartsAround = 2;  // header and status

  u64 config64(u32 offset) {
    for (;;) {
      const u32 before = transport_->config_generation();
      const u64 low = transport_->config32(offset), high = transport_->config32(offset + 4);
      if (transport_->config_generation() == before) return high << 32 | low;
    }
  }

  // ENODEV for what can't be: it would be divided by, or counted with.
  Result<> read_traits(u64 features) {
    const auto number = [&](u64 feature, u32 at, u32 otherwise) {
      return (features & feature) ? transport_->config32(at) : otherwise;
    };
    traits_.sectors = config64(kCapacityAt);
    traits_.read_only = (features & kReadOnly) != 0;
    traits_.has_cache = (features & kFlush) != 0;
    traits_.logical_block = number(kBlockSize, kBlockSizeAt, kSectorSize);
    traits_.physical_block = traits_.logical_block;
    const u32 segments = number(kSegmentsMax, kSegmentsMaxAt, 1);
    traits_.most_segments = segments != 0 ? segments : 1;
    traits_.longest_segment = number(kSizeMax, kSizeMaxAt, ~u32{0});
    if (traits_.sectors > (~u64{0} >> 1) / kSectorSize || traits_.logical_block < kSectorSize ||
        traits_.logical_block > kPageSize || !is_power_of_two(traits_.logical_block) ||
        traits_.longest_segment < kPageSize) {
      LOG_ERROR("virtio block: a disk of " << traits_.sectors << " sectors with blocks of "
                                           << traits_.logical_block << " bytes, at most "
                                           << traits_.longest_segment << " at a time");
      return Errno::kNoDev;
    }
    if (features & kTopology) {
      const u32 exponent = transport_->config8(kPhysicalExponentAt);
      if (exponent < 16) traits_.physical_block <<= exponent;
      traits_.alignment = transport_->config8(kAlignmentAt) * traits_.logical_block;
      traits_.minimum_io = transport_->config16(kMinimumIoAt) * traits_.logical_block;
      traits_.optimal_io = transport_->config32(kOptimalIoAt) * traits_.logical_block;
    }
    traits_.most_discarded = number(kDiscard, kMostDiscardedAt, 0);
    traits_.discard_alignment = number(kDiscard, kDiscardAlignmentAt, 0);
    traits_.most_zeroed = number(kWriteZeroes, kMostZeroedAt, 0);
    return {};
  }

  // A device that has none, or does not know the question, leaves it empty.
  void read_serial() {
    // By polling: it is short, and the boot goes on afterwards.
    constexpr u64 kPatience = 200 * kNanosPerMilli;
    Slot* slot = nullptr;
    {
      SpinGuard guard(lock_);
      slot = take_slot(nullptr);
      slot->type = kGetId;
      const VirtQueue::Segment in[] = {part(*slot, slot->serial, kSerialSize),
                                       part(*slot, &slot->status, 1)};
      const auto out = part(*slot, slot, kHeaderSize);
      if (!queue_.submit({&out, 1}, in, slot).ok()) return give_back(*slot);
      queue_.kick();
    }
    const u64 deadline = platform::monotonic_ns() + kPatience;
    ScopedWait wait(serial_answered_, PollEvents::kAll);
    while (!serial_done_.load(Order::kAcquire)) {
      prepare_to_sleep();
      if (serial_done_.load(Order::kAcquire)) {
        cancel_sleep();
        break;
      }
      // The slot stays the device's.
      if (!sleep_until(deadline, Interruptible::kNo).ok()) return;
    }
    usize size = 0;
    while (size < kSerialSize && serial_[size] != 0) ++size;
    traits_.serial = {serial_, size};
  }

  Slot* slots() const { return reinterpret_cast<Slot*>(slots_frame_.data()); }
  VirtQueue::Segment part(Slot& slot, void* field, u32 length) const {
    const usize offset =
        usize(static_cast<std::byte*>(field) - reinterpret_cast<std::byte*>(&slot));
    return {slots_frame_.address() + usize(&slot - slots()) * sizeof(Slot) + offset, length};
  }
  Slot* take_slot(BlockRequest* request) TA_REQUIRES(lock_) {
    if (free_slots_ == 0) return nullptr;
    const unsigned index = unsigned(__builtin_ctzll(free_slots_));
    free_slots_ &= free_slots_ - 1;
    Slot& slot = slots()[index];
    slot = Slot();
    requests_[index] = request;
    return &slot;
  }
  void give_back(Slot& slot) TA_REQUIRES(lock_) {
    free_slots_ |= u64{1} << (&slot - slots());
    requests_[&slot - slots()] = nullptr;
  }

  // As many as there is room for. A queue that is broken fails them all.
  void send_waiting(Requests& failed) TA_REQUIRES(lock_) {
    while (BlockRequest* request = waiting_.front()) {
      if (queue_.broken()) {
        request->node.unlink();
        failed.push_back(*request);
        continue;
      }
      Slot* slot = take_slot(request);
      if (!slot) break;
      const auto sent = send(*request, *slot);
      if (sent.failed(Errno::kNoBufs) && !queue_.broken()) {
        give_back(*slot);
        break;
      }
      request->node.unlink();
      if (!sent.ok()) {
        give_back(*slot);
        failed.push_back(*request);
      }
    }
    queue_.kick();
  }

  Result<> send(BlockRequest& request, Slot& slot) TA_REQUIRES(lock_) {
    VirtQueue::Segment out[VirtQueue::kMaxSegments], in[VirtQueue::kMaxSegments];
    usize outs = 0, ins = 0;
    if (request.segments.size() > traits_.most_segments) return Errno::kInval;
    out[outs++] = part(slot, &slot, kHeaderSize);
    switch (request.operation) {
      case Operation::kRead:
        slot.type = kIn;
        slot.sector = request.sector;
        for (const auto& segment : request.segments) in[ins++] = {segment.address, segment.length};
        break;
      case Operation::kWrite:
        slot.type = kOut;
        slot.sector = request.sector;
        for (const auto& segment : request.segments)
          out[outs++] = {segment.address, segment.length};
        break;
      case Operation::kFlush:
        slot.type = kFlushAll;
        break;
      case Operation::kDiscard:
      case Operation::kWriteZeroes: {
        const bool is_discard = request.operation == Operation::kDiscard;
        slot.type = is_discard ? kDiscardRange : kZeroRange;
        // For a discard the flag is reserved (section 5.2.6.1).
        slot.range = {request.sector, u32(request.sector_count),
                      !is_discard && request.may_unmap ? kUnmap : 0};
        out[outs++] = part(slot, &slot.range, kRangeSize);
        break;
      }
    }
    in[ins++] = part(slot, &slot.status, 1);
    return queue_.submit({out, outs}, {in, ins}, &slot);
  }

  static void finish(Requests& list, Errno outcome) {
    while (BlockRequest* request = list.front()) {
      request->node.unlink();
      request->done(*request, outcome);
    }
  }

  static void on_interrupt(void* argument) {
    auto& self = *static_cast<VirtioBlock*>(argument);
    Requests good, bad, unknown;
    bool serial_done = false;
    {
      SpinGuard guard(self.lock_);
      do {
        for (auto done = self.queue_.pop(); done.token; done = self.queue_.pop()) {
          Slot& slot = *static_cast<Slot*>(done.token);
          // The device can write what is next to its answer; what we know of it is kept elsewhere.
          BlockRequest* request = self.requests_[&slot - self.slots()];
          const u8 status = slot.status;
          if (!request) {
            if (status == kOk) std::memcpy(self.serial_, slot.serial, kSerialSize);
            serial_done = true;
          } else {
            (status == kOk ? good : status == kUnsupported ? unknown : bad).push_back(*request);
          }
          self.give_back(slot);
        }
      } while (self.queue_.enable_interrupts());
      if (self.queue_.broken())
        for (BlockRequest*& request : self.requests_) {
          if (!request) continue;
          bad.push_back(*request);
          request = nullptr;
        }
      self.send_waiting(bad);
    }
    finish(good, Errno{});
    finish(bad, Errno::kIo);
    finish(unknown, Errno::kOpNotSupp);
    if (serial_done) {
      self.serial_done_.store(true, Order::kRelease);
      self.serial_answered_.wake_all();
    }
  }

  const Ref<VirtioTransport> transport_;
  Traits traits_;
  SpinLock<LockRank::kDevice> lock_;
  VirtQueue queue_ TA_GUARDED_BY(lock_);
  FrameRef slots_frame_;
  u64 free_slots_ TA_GUARDED_BY(lock_) = 0;
  BlockRequest* requests_[kQueueSize] TA_GUARDED_BY(lock_) = {};  // by slot
  Requests waiting_ TA_GUARDED_BY(lock_);
  char serial_[kSerialSize] = {};
  Atomic<bool> serial_done_{false};
  WaitQueue serial_answered_;
};

}  // namespace

Result<Ref<BlockDevice>> start_virtio_block(Ref<VirtioTransport> transport) {
  Ref<VirtioBlock> device = TRY(make_ref<VirtioBlock>(std::move(transport)));
  // From here on the device knows its address.
  device->add_ref();
  TRY(device->start());
  return Ref<BlockDevice>(std::move(device));
}

}  // namespace narwhal
