// Runs code that may fault, and says how it faulted.
#pragma once

#include <stdint.h>

#include <functional>

namespace compat {

struct Fault {
  int signal = 0;  // 0: no fault
  int code = 0;    // siginfo's si_code
  uintptr_t address = 0;
};

// Runs `body` with handlers for SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGTRAP, which come back here
// with siglongjmp. One thread at a time.
Fault catch_fault(const std::function<void()>& body);

// Reads or writes one byte at `address`.
Fault fault_of_read(const volatile void* address);
Fault fault_of_write(volatile void* address);

inline bool can_read(const volatile void* address) {
  return fault_of_read(address).signal == 0;
}
inline bool can_write(volatile void* address) {
  return fault_of_write(address).signal == 0;
}

}  // namespace compat
