#include "kernel/drivers/virtio/queue.h"

#include <bit>

#include "kernel/base/log.h"
#include "kernel/mm/frame.h"

namespace narwhal {
namespace {

constexpr u16 kNext = 1;         // VIRTQ_DESC_F_NEXT
constexpr u16 kWrite = 2;        // VIRTQ_DESC_F_WRITE
constexpr u16 kIndirect = 4;     // VIRTQ_DESC_F_INDIRECT
constexpr u16 kNoInterrupt = 1;  // VIRTQ_AVAIL_F_NO_INTERRUPT
constexpr u16 kNoNotify = 1;     // VIRTQ_USED_F_NO_NOTIFY

// The device is another agent on the bus: what it must see in order is published in order.
void publish() {
  __atomic_thread_fence(__ATOMIC_RELEASE);
}
void observe() {
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
}
void full_fence() {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
template <typename T>
T device_read(const T& shared) {
  return *static_cast<const volatile T*>(&shared);
}

// Section 2.6.7.2: whether an index that moved from `old` to `now` passed `event`.
bool passed(u16 event, u16 now, u16 old) {
  return u16(now - event - 1) < u16(now - old);
}

}  // namespace

Result<> VirtQueue::start(VirtioTransport& transport, u16 index, u16 wanted_size, u64 features) {
  u16 size = transport.queue_max_size(index);
  if (size == 0) return Errno::kNoDev;
  if (size > wanted_size) size = wanted_size;
  size = std::bit_floor(size);

  const usize available_at = usize(size) * sizeof(Descriptor);
  const usize available_bytes = sizeof(Available) + size * sizeof(u16) + sizeof(u16);
  const usize used_at = align_up(available_at + available_bytes, 4);
  const usize total = used_at + sizeof(Used) + size * sizeof(UsedElement) + sizeof(u16);
  const auto pages = div_round_up(total, kPageSize);
  memory_order_ = unsigned(std::bit_width(pages - 1));
  TRY(chains_.resize(size));
  memory_ = TRY(allocate_frames(memory_order_, FrameContent::kZeroed));

  std::byte* base = platform::direct_map(memory_);
  descriptors_ = reinterpret_cast<Descriptor*>(base);
  available_ = reinterpret_cast<Available*>(base + available_at);
  used_ = reinterpret_cast<Used*>(base + used_at);
  for (u16 i = 0; i < size; ++i) descriptors_[i].next = u16(i + 1);
  transport_ = &transport;
  queue_index_ = index;
  size_ = size;
  free_count_ = size;
  indirect_ = (features & kVirtioRingIndirect) != 0;
  event_index_ = (features & kVirtioRingEventIndex) != 0;
  return transport.start_queue(index, size, memory_, memory_ + available_at, memory_ + used_at);
}

VirtQueue::~VirtQueue() {
  for (Chain& chain : chains_) ::operator delete(chain.indirect);
  if (memory_.value != 0) free_frames(memory_, memory_order_);
}

void VirtQueue::fill(Descriptor* table, u16 first, bool linked, std::span<const Segment> reads,
                     std::span<const Segment> writes) {
  const usize total = reads.size() + writes.size();
  u16 at = first;
  for (usize i = 0; i < total; ++i) {
    const bool writable = i >= reads.size();
    const Segment& segment = writable ? writes[i - reads.size()] : reads[i];
    Descriptor& descriptor = table[at];
    const u16 next = linked ? descriptor.next : u16(at + 1);
    descriptor.address = segment.address.value;
    descriptor.length = segment.length;
    descriptor.flags = u16((writable ? kWrite : 0) | (i + 1 < total ? kNext : 0));
    if (!linked) descriptor.next = next;
    at = next;
  }
}

Result<> VirtQueue::submit(std::span<const Segment> reads, std::span<const Segment> writes,
                           void* token) {
  const usize total = reads.size() + writes.size();
  if (total == 0 || total > kMaxSegments || !token) return Errno::kInval;
  if (broken_) return Errno::kNoBufs;

  Descriptor* table = nullptr;
  // Without memory for a table the chain goes straight into the ring, if it has the room.
  if (indirect_ && total > 1)
    table = static_cast<Descriptor*>(::operator new(total * sizeof(Descriptor), std::nothrow));
  const u16 needed = table ? 1 : u16(total);
  if (total > size_ && !table) return Errno::kInval;
  if (needed > free_count_) {
    ::operator delete(table);
    return Errno::kNoBufs;
  }

  const u16 head = free_head_;
  Chain& chain = chains_[head];
  chain.token = token;
  chain.indirect = table;
  chain.descriptors = needed;
  chain.writable = 0;
  for (const Segment& segment : writes) chain.writable += segment.length;
  if (table) {
    fill(table, 0, false, reads, writes);
    Descriptor& descriptor = descriptors_[head];
    descriptor.address = platform::direct_map_to_phys(table).value;
    descriptor.length = u32(total * sizeof(Descriptor));
    descriptor.flags = kIndirect;
    free_head_ = descriptor.next;
  } else {
    u16 last = head;
    for (u16 i = 1; i < needed; ++i) last = descriptors_[last].next;
    free_head_ = descriptors_[last].next;
    fill(descriptors_, head, true, reads, writes);
  }
  free_count_ = u16(free_count_ - needed);
  ++chains_in_flight_;

  available_->ring[next_available_ & (size_ - 1)] = head;
  publish();
  ++next_available_;
  *static_cast<volatile u16*>(&available_->index) = next_available_;
  return {};
}

void VirtQueue::kick() {
  if (broken_ || last_kicked_ == next_available_) return;
  full_fence();
  const bool wanted = event_index_ ? passed(available_event(), next_available_, last_kicked_)
                                   : (device_read(used_->flags) & kNoNotify) == 0;
  last_kicked_ = next_available_;
  if (wanted) transport_->notify(queue_index_);
}

bool VirtQueue::has_completions() const {
  return !broken_ && device_read(used_->index) != next_used_;
}

void VirtQueue::free_chain(u16 head) {
  Chain& chain = chains_[head];
  if (chain.indirect) ::operator delete(chain.indirect);
  u16 last = head;
  for (u16 i = 1; i < chain.descriptors; ++i) last = descriptors_[last].next;
  descriptors_[last].next = free_head_;
  free_head_ = head;
  free_count_ = u16(free_count_ + chain.descriptors);
  chain = Chain();
  --chains_in_flight_;
}

void VirtQueue::stop(const char* why) {
  Text<48> where;
  transport_->describe(where);
  LOG_ERROR("virtio " << where.view() << " queue " << queue_index_ << ": " << why
                      << "; the queue is stopped");
  broken_ = true;
}

VirtQueue::Completion VirtQueue::pop() {
  if (!has_completions()) return {};
  observe();
  if (u16(device_read(used_->index) - next_used_) > size_) {
    stop("the device used more chains than there are");
    return {};
  }
  const UsedElement& element = used_->ring[next_used_ & (size_ - 1)];
  const u32 id = device_read(element.id);
  u32 written = device_read(element.length);
  if (id >= size_ || chains_[id].token == nullptr) {
    stop("the device used a chain that it was not given");
    return {};
  }
  ++next_used_;
  Chain& chain = chains_[id];
  if (written > chain.writable) written = chain.writable;
  Completion completion{chain.token, written};
  free_chain(u16(id));
  return completion;
}

void VirtQueue::disable_interrupts() {
  if (event_index_)
    used_event() =
        u16(next_used_ - 1);  // an index just behind: far away in the order of wrapping counters
  else
    available_->flags = kNoInterrupt;
}

bool VirtQueue::enable_interrupts() {
  if (event_index_)
    used_event() = next_used_;
  else
    available_->flags = 0;
  full_fence();
  return has_completions();
}

}  // namespace narwhal
