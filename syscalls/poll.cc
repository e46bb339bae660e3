// poll(2), ppoll(2), select(2), pselect6(2).
#include "kernel/abi/poll.h"

#include <array>
#include <cstddef>

#include "kernel/abi/resource.h"
#include "process/task.h"
#include "syscalls/handlers.h"
#include "syscalls/poll_set.h"
#include "syscalls/signal_mask.h"
#include "syscalls/timespec.h"

namespace narwhal {
namespace {

Result<usize> poll_files(Task& task, UserAddr fds, u32 count, u64 deadline_ns) {
  if (count > task.process().soft_limit(abi::kLimitOpenFiles)) return Errno::kInval;
  Vector<abi::PollFd> polled = TRY(UserIn<abi::PollFd>{fds}.load_array(count));
  PollSet set;
  TRY(set.reserve(count));
  for (const abi::PollFd& p : polled) {
    PollSet::Entry entry;
    entry.wanted = PollEvents(u16(p.events));
    if (p.fd >= 0) {
      if (auto file = task.files().get(p.fd); file.ok())
        entry.file = file.take();
      else
        entry.ready = PollEvents::kNval;
    }
    TRY(set.add(std::move(entry)));
  }
  usize ready = TRY(set.wait(deadline_ns));
  for (usize i = 0; i < count; ++i) {
    polled[i].revents = i16(u16(u32(set.entries()[i].ready)));
    // Only the answer is written: the program may share the rest with other threads.
    TRY(store_user(fds + i * sizeof(abi::PollFd) + offsetof(abi::PollFd, revents),
                   polled[i].revents));
  }
  return ready;
}

SysResult as_result(Result<usize> ready) {
  if (!ready.ok()) return ready.error();
  return i64(ready.value());
}

// --- select
// -------------------------------------------------------------------------------------------------------

constexpr PollEvents kSelectRead =
    kPollReadable | PollEvents::kRdBand | PollEvents::kHup | PollEvents::kErr;
constexpr PollEvents kSelectWrite = kPollWritable | PollEvents::kWrBand | PollEvents::kErr;
constexpr PollEvents kSelectExcept = PollEvents::kPri;

// The three bit sets of select(2): in as given, out as found.
class SelectSets : NonCopyable {
 public:
  static constexpr usize kSets = 3;

  Result<> load(std::span<const UserAddr, kSets> sets, usize count) {
    words_ = div_round_up(count, 64);
    TRY(bits_.resize(words_ * kSets));
    for (usize s = 0; s < kSets; ++s)
      if (sets[s].value != 0 &&
          platform::copy_from_user(bits_.data() + s * words_, sets[s], words_ * 8) != 0)
        return Errno::kFault;
    return {};
  }
  bool has(usize set, usize fd) const { return bits_[set * words_ + fd / 64] >> (fd % 64) & 1; }
  void clear() {
    for (u64& word : bits_) word = 0;
  }
  void add(usize set, usize fd) { bits_[set * words_ + fd / 64] |= u64{1} << (fd % 64); }
  Result<> store(std::span<const UserAddr, kSets> sets) const {
    for (usize s = 0; s < kSets; ++s)
      if (sets[s].value != 0 &&
          platform::copy_to_user(sets[s], bits_.data() + s * words_, words_ * 8) != 0)
        return Errno::kFault;
    return {};
  }

 private:
  Vector<u64> bits_;
  usize words_ = 0;
};

Result<usize> select_files(Task& task, int count, std::span<const UserAddr, SelectSets::kSets> sets,
                           u64 deadline_ns) {
  if (count < 0) return Errno::kInval;
  constexpr PollEvents kWanted[] = {kSelectRead, kSelectWrite, kSelectExcept};
  // Descriptors beyond the table can't be open; Linux cuts the count there.
  const u64 limit = task.process().soft_limit(abi::kLimitOpenFiles);
  const usize n = u64(count) < limit ? usize(count) : usize(limit);

  SelectSets bits;
  TRY(bits.load(sets, n));
  PollSet set;
  Vector<int> numbers;
  for (usize fd = 0; fd < n; ++fd) {
    PollSet::Entry entry;
    for (usize s = 0; s < SelectSets::kSets; ++s)
      if (bits.has(s, fd)) entry.wanted |= kWanted[s];
    if (entry.wanted == PollEvents::kNone) continue;
    entry.file = TRY(task.files().get(int(fd)));
    TRY(set.add(std::move(entry)));
    TRY(numbers.push_back(int(fd)));
  }
  TRY(set.wait(deadline_ns));

  SelectSets found;
  TRY(found.load(std::span<const UserAddr, 3>(std::array<UserAddr, 3>{}), n));
  usize total = 0;
  for (usize i = 0; i < numbers.size(); ++i)
    for (usize s = 0; s < SelectSets::kSets; ++s)
      if (bits.has(s, usize(numbers[i])) && narwhal::has(set.entries()[i].ready, kWanted[s])) {
        found.add(s, usize(numbers[i]));
        ++total;
      }
  TRY(found.store(sets));
  return total;
}

// STICKY_TIMEOUTS of personality(2): as in other Unix systems, what is left is not told.
bool keeps_timeouts(const Task& task) {
  constexpr u32 kStickyTimeouts = 0x4000000;
  return task.process().personality.load() & kStickyTimeouts;
}

}  // namespace

SysResult sys::poll(Task& task, UserAddr fds, u32 count, i32 timeout_ms) {
  const u64 deadline = timeout_ms < 0    ? kForever
                       : timeout_ms == 0 ? 0
                                         : deadline_after(u64(timeout_ms) * kNanosPerMilli);
  return as_result(poll_files(task, fds, count, deadline));
}

SysResult sys::ppoll(Task& task, UserAddr fds, u32 count, UserAddr timeout, UserAddr mask,
                     usize mask_size) {
  const u64 deadline = TRY(load_deadline(timeout));
  TemporaryMask temporary(task);
  TRY(temporary.set(mask, mask_size));
  auto ready = temporary.done(poll_files(task, fds, count, deadline));
  // Linux writes back what is left; a failure to do so is not an error.
  if (timeout.value != 0 && !keeps_timeouts(task))
    store_user(timeout, to_timespec(remaining_until(deadline))).ignore();
  return as_result(std::move(ready));
}

SysResult sys::select(Task& task, i32 count, UserAddr read, UserAddr write, UserAddr except,
                      UserAddr timeout) {
  u64 deadline = kForever;
  if (timeout.value != 0) {
    auto given = TRY(load_user<abi::TimeVal>(timeout));
    // select(2) takes more than a second's worth of microseconds.
    if (given.seconds < 0 || given.microseconds < 0) return Errno::kInval;
    given.seconds += given.microseconds / 1'000'000;
    given.microseconds %= 1'000'000;
    deadline = deadline_after(TRY(to_nanoseconds(given)));
  }
  const std::array<UserAddr, 3> sets{read, write, except};
  auto ready = select_files(task, count, sets, deadline);
  if (timeout.value != 0 && !keeps_timeouts(task))
    store_user(timeout, to_timeval(remaining_until(deadline))).ignore();
  return as_result(std::move(ready));
}

SysResult sys::pselect6(Task& task, i32 count, UserAddr read, UserAddr write, UserAddr except,
                        UserAddr timeout, UserAddr mask_argument) {
  const u64 deadline = TRY(load_deadline(timeout));
  TemporaryMask temporary(task);
  if (mask_argument.value != 0) {
    auto mask = TRY(load_user<abi::SignalMaskArgument>(mask_argument));
    TRY(temporary.set(UserAddr(mask.address), mask.size));
  }
  const std::array<UserAddr, 3> sets{read, write, except};
  auto ready = temporary.done(select_files(task, count, sets, deadline));
  if (timeout.value != 0 && !keeps_timeouts(task))
    store_user(timeout, to_timespec(remaining_until(deadline))).ignore();
  return as_result(std::move(ready));
}

}  // namespace narwhal
