// Times as programs write them, checked and turned into nanoseconds.
#pragma once

#include "kernel/abi/stat.h"
#include "kernel/abi/time.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/user.h"

namespace narwhal {

inline constexpr u64 kForever = platform::kNoDeadline;

// EINVAL for negative seconds or nanoseconds outside [0, 10^9). Too large a time is the largest
// that there is.
constexpr Result<u64> to_nanoseconds(const abi::TimeSpec& time) {
  if (time.seconds < 0 || time.nanoseconds < 0 || time.nanoseconds >= i64(kNanosPerSecond))
    return Errno::kInval;
  constexpr i64 kMaxSeconds = i64(~u64{0} / 2 / kNanosPerSecond) - 1;
  if (time.seconds > kMaxSeconds) return u64(kMaxSeconds) * kNanosPerSecond;
  return u64(time.seconds) * kNanosPerSecond + u64(time.nanoseconds);
}
constexpr Result<u64> to_nanoseconds(const abi::TimeVal& time) {
  if (time.seconds < 0 || time.microseconds < 0 || time.microseconds >= 1'000'000)
    return Errno::kInval;
  return to_nanoseconds(abi::TimeSpec{time.seconds, time.microseconds * i64(kNanosPerMicro)});
}
constexpr abi::TimeSpec to_timespec(u64 ns) {
  return {i64(ns / kNanosPerSecond), i64(ns % kNanosPerSecond)};
}
constexpr abi::TimeVal to_timeval(u64 ns) {
  return {i64(ns / kNanosPerSecond), i64(ns % kNanosPerSecond / kNanosPerMicro)};
}

// When a wait of `timeout_ns` from now ends.
inline u64 deadline_after(u64 timeout_ns) {
  const u64 now = platform::monotonic_ns();
  return timeout_ns >= kForever - now ? kForever : now + timeout_ns;
}
// What is left until a deadline.
inline u64 remaining_until(u64 deadline_ns) {
  const u64 now = platform::monotonic_ns();
  return deadline_ns > now ? deadline_ns - now : 0;
}

// A timeout argument: null waits for ever. EFAULT, EINVAL.
inline Result<u64> load_deadline(UserAddr timeout) {
  if (timeout.value == 0) return kForever;
  return deadline_after(TRY(to_nanoseconds(TRY(load_user<abi::TimeSpec>(timeout)))));
}

}  // namespace narwhal
