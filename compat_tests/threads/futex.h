// The futex(2) system call, which the C library does not offer.
#pragma once

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

namespace compat {

using FutexWord = std::atomic<uint32_t>;

inline long futex(FutexWord* word, int operation, uint32_t value, const timespec* timeout = nullptr,
                  FutexWord* second = nullptr, uint32_t third_value = 0) {
  return syscall(SYS_futex, word, operation, value, timeout, second, third_value);
}

// For REQUEUE and WAKE_OP, whose fourth argument is a number.
inline long futex_two(FutexWord* word, int operation, uint32_t value, uint32_t second_value,
                      FutexWord* second, uint32_t third_value = 0) {
  return syscall(SYS_futex, word, operation, value, static_cast<uintptr_t>(second_value), second,
                 third_value);
}

inline long futex_wait(FutexWord* word, uint32_t value, const timespec* timeout = nullptr) {
  return futex(word, FUTEX_WAIT_PRIVATE, value, timeout);
}

inline long futex_wake(FutexWord* word, uint32_t count) {
  return futex(word, FUTEX_WAKE_PRIVATE, count);
}

}  // namespace compat
