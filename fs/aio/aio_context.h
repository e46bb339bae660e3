// Contexts of asynchronous I/O, io_setup(2): a ring of events in the program's own memory, whose
// address is the context's number.
//
// A context lives as long as its ring is mapped: it is what stands behind that mapping. The list of
// all owns nothing. The head of the ring belongs to the program as much as to the kernel (libaio
// and fio take events themselves), so both ends are read back each time and believed only after
// they were cut to the ring's size.
#pragma once

#include "kernel/abi/aio.h"
#include "kernel/mm/address_space.h"
#include "kernel/platform/user.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal {

class AioContext final : public MappingSource {
 public:
  // /proc/sys/fs/aio-max-nr, aio-nr: events that may be asked for, and were, of all contexts.
  static Atomic<u32> max_events;
  static Atomic<u32> events_in_use;

  // Maps a ring with room for `events`. EINVAL for none or too many, EAGAIN over the limit of all,
  // ENOMEM.
  static Result<Ref<AioContext>> create(AddressSpace& memory, u32 events);
  // Null when it is none of this address space.
  static Ref<AioContext> find(const AddressSpace& memory, u64 number);
  ~AioContext() override;

  u64 number() const { return ring_.value; }
  u32 capacity() const { return count_ - 1; }
  // Nobody finds it any more, and its ring goes. EINVAL when somebody was faster.
  Result<> destroy(AddressSpace& memory);

  // One event is going to come: EAGAIN when there is no room for it. Each is ended by complete() or
  // give_up().
  Result<> reserve();
  void give_up();
  void complete(const abi::IoEvent& event);
  // Stores at most `limit` events; how many. EFAULT when not one could be stored.
  Result<usize> take(UserAddr events, usize limit);
  // Woken by complete().
  WaitQueue& queue() { return queue_; }

  void describe(TextSink& path, u64& device, u64& inode) const override;

 private:
  AioContext(const AddressSpace& memory, u32 events, usize pages);
  struct Ends {
    u32 head, tail;
  };
  Result<Ends> ends() const;
  UserAddr event_at(u32 index) const {
    return ring_ + sizeof(abi::IoRing) + usize{index} * sizeof(abi::IoEvent);
  }
  void forget();

  const AddressSpace* const memory_;  // to be compared with
  const u32 events_;                  // that were asked for
  const usize pages_;
  const u32 count_;  // places in the ring; one stays empty
  UserAddr ring_;
  Mutex<LockRank::kMutexOther> lock_;  // the ring's ends; the program's memory is used under it
  u32 reserved_ TA_GUARDED_BY(lock_) = 0;
  WaitQueue queue_;

 public:
  ListNode node_;  // in the list of all
};

}  // namespace narwhal
