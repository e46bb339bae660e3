// futex(2); futex_wake(2), futex_wait(2), futex_requeue(2) and futex_waitv(2), which have its
// parts; set_robust_list(2), get_robust_list(2).
#include "process/futex.h"

#include "process/access.h"
#include "syscalls/handlers.h"
#include "syscalls/timespec.h"

namespace narwhal {
namespace {

// Operations of futex(2); the numbers of kernel/abi would serve nobody else.
enum FutexCommand : u32 {
  kWait = 0,
  kWake = 1,
  kRequeue = 3,
  kCompareRequeue = 4,
  kWakeOp = 5,
  kLockPi = 6,
  kUnlockPi = 7,
  kTryLockPi = 8,
  kWaitBitset = 9,
  kWakeBitset = 10,
  kWaitRequeuePi = 11,
  kLockPi2 = 13,
};
constexpr u32 kPrivateFlag = 128;
constexpr u32 kRealTimeFlag = 256;

// struct futex_waitv, and its flags.
struct WaitVEntry {
  u64 value;
  u64 address;
  u32 flags;
  u32 reserved;
};
constexpr u32 kSize32 = 2;
constexpr u32 kRequeuedWords = 2;
constexpr i32 kClockRealTime = 0, kClockMonotonic = 1;

constexpr usize kRobustHeadSize = 24;

Result<FutexDeadline> absolute_deadline(UserAddr timeout, bool wall_clock) {
  return FutexDeadline{TRY(to_nanoseconds(TRY(load_user<abi::TimeSpec>(timeout)))), wall_clock};
}

Result<i64> wait(Task& task, UserAddr word, u32 value, FutexDeadline deadline, u32 bits,
                 bool shared);

// Goes on with a wait after a stop or a signal without a handler: the deadline stays.
Result<i64> resume_wait(Task& task) {
  const auto& words = task.restart.words;
  return wait(task, UserAddr(words[0]), u32(words[1]), {words[2], words[3] != 0}, u32(words[4]),
              words[5] != 0);
}

Result<i64> wait(Task& task, UserAddr word, u32 value, FutexDeadline deadline, u32 bits,
                 bool shared) {
  auto waited = futex_wait(task, word, value, deadline, bits, shared);
  if (waited.ok()) return i64{0};
  if (!waited.failed(Errno::kRestartSys) || deadline.never()) return waited.error();
  task.restart = {resume_wait, {word.value, value, deadline.ns, deadline.wall_clock, bits, shared}};
  return Errno::kRestartBlock;
}

// The flags of the newer calls, for each word: its size, and whether it is this process' own. Only
// 32 bits are there, as on Linux.
Result<bool> is_shared(u32 flags) {
  if ((flags & ~kPrivateFlag) != kSize32) return Errno::kInval;
  return !(flags & kPrivateFlag);
}
Result<u32> word_value(u64 value) {
  if (value > 0xffff'ffff) return Errno::kInval;
  return u32(value);
}

Result<FutexDeadline> clock_deadline(UserAddr timeout, i32 clock) {
  if (timeout.value == 0) return FutexDeadline{};
  if (clock != kClockRealTime && clock != kClockMonotonic) return Errno::kInval;
  return absolute_deadline(timeout, clock == kClockRealTime);
}

Result<> load_words(UserAddr from, u32 count, Vector<FutexWaitEntry>& to) {
  TRY(to.reserve(count));
  const auto given = TRY(UserIn<WaitVEntry>{from}.load_array(count));
  for (const WaitVEntry& entry : given) {
    const bool shared = TRY(is_shared(entry.flags));
    if (entry.reserved != 0) return Errno::kInval;
    TRY(to.push_back({UserAddr(entry.address), TRY(word_value(entry.value)), shared}));
  }
  return {};
}

SysResult count(Result<u32> woken) {
  if (!woken.ok()) return woken.error();
  return i64(woken.value());
}

SysResult done(Result<> result) {
  if (!result.ok()) return result.error();
  return i64{0};
}

}  // namespace

SysResult sys::futex(Task& task, UserAddr word, FutexOperation operation, u32 value,
                     UserAddr timeout, UserAddr word2, u32 value3) {
  const u32 command = operation.value & ~(kPrivateFlag | kRealTimeFlag);
  const bool shared = !(operation.value & kPrivateFlag);
  bool wall_clock = operation.value & kRealTimeFlag;
  FutexDeadline deadline;
  switch (command) {
    case kWait:
      if (timeout.value != 0) deadline.ns = TRY(load_deadline(timeout));
      break;
    case kLockPi:
    case kLockPi2:
    case kWaitBitset:
      if (timeout.value != 0)
        deadline = TRY(absolute_deadline(timeout, wall_clock || command == kLockPi));
      break;
  }
  if (wall_clock && command != kWaitBitset && command != kLockPi2) return Errno::kNoSys;

  switch (command) {
    case kWait:
      return wait(task, word, value, deadline, kFutexMatchAny, shared);
    case kWaitBitset:
      return wait(task, word, value, deadline, value3, shared);
    case kWake:
      return count(futex_wake(task, word, i32(value), kFutexMatchAny, shared));
    case kWakeBitset:
      return count(futex_wake(task, word, i32(value), value3, shared));
    case kRequeue:
    case kCompareRequeue: {
      // The timeout's register holds a second count.
      const auto requeued =
          TRY(futex_requeue(task, {word, word2, i32(value), i32(timeout.value),
                                   command == kCompareRequeue, value3, shared, shared}));
      return i64(requeued.woken) + i64(requeued.moved);
    }
    case kWakeOp:
      return count(
          futex_wake_op(task, word, word2, i32(value), i32(timeout.value), value3, shared));
    case kLockPi:
    case kLockPi2:
      return done(futex_lock_pi(task, word, deadline, shared));
    case kTryLockPi:
      return done(futex_try_lock_pi(task, word, shared));
    case kUnlockPi:
      return done(futex_unlock_pi(task, word, shared));
    default:
      return Errno::kNoSys;
  }
}

SysResult sys::futex_waitv(Task& task, UserIn<u64> waiters, u32 size, HexInt flags,
                           UserAddr timeout, i32 clock) {
  if (flags.value != 0) return Errno::kInval;
  if (size == 0 || size > kFutexWaitVMax || waiters.null()) return Errno::kInval;
  const FutexDeadline deadline = TRY(clock_deadline(timeout, clock));
  Vector<FutexWaitEntry> entries;
  TRY(load_words(waiters.addr, size, entries));
  return i64(TRY(futex_wait_any(task, entries, deadline)));
}

SysResult sys::futex_wake(Task& task, UserAddr word, u64 mask, i32 most, u32 flags) {
  const bool shared = TRY(is_shared(flags));
  const u32 bits = TRY(word_value(mask));
  if (bits == 0) return Errno::kInval;
  // Strict where futex(2) is not: none means none.
  if (most == 0) return i64{0};
  return count(narwhal::futex_wake(task, word, most, bits, shared));
}

SysResult sys::futex_wait(Task& task, UserAddr word, u64 value, u64 mask, u32 flags,
                          UserAddr timeout, i32 clock) {
  const bool shared = TRY(is_shared(flags));
  const u32 expected = TRY(word_value(value)), bits = TRY(word_value(mask));
  return wait(task, word, expected, TRY(clock_deadline(timeout, clock)), bits, shared);
}

SysResult sys::futex_requeue(Task& task, UserAddr words, HexInt flags, i32 wake_count,
                             i32 requeue_count) {
  if (flags.value != 0 || words.value == 0) return Errno::kInval;
  Vector<FutexWaitEntry> pair;
  TRY(load_words(words, kRequeuedWords, pair));
  const auto done =
      TRY(narwhal::futex_requeue(task, {pair[0].address, pair[1].address, wake_count, requeue_count,
                                        true, pair[0].value, pair[0].shared, pair[1].shared}));
  return i64(done.woken) + i64(done.moved);
}

SysResult sys::set_robust_list(Task& task, UserAddr head, usize size) {
  if (size != kRobustHeadSize) return Errno::kInval;
  task.robust_list = head;
  return i64{0};
}

SysResult sys::get_robust_list(Task& task, Pid pid, UserOut<u64> head, UserOut<u64> size) {
  UserAddr list = task.robust_list;
  if (pid.value != 0) {
    auto target = find_task(u32(pid.value));
    if (!target) return Errno::kSrch;
    if (!may_inspect(task, *target)) return Errno::kPerm;
    list = target->robust_list;
  }
  TRY(size.store(kRobustHeadSize));
  TRY(head.store(list.value));
  return i64{0};
}

}  // namespace narwhal
