// The end of the line: what to call when the kernel's own rules are broken.
#pragma once

namespace narwhal {

// Prints the reason, registers, a backtrace and the last system calls, tells the host, and stops
// the machine. The home implements it (kernel/platform/*/panic.cc). `reason` is a plain string so
// that nothing needs formatting in a broken kernel.
[[noreturn]] void panic(const char* reason);
[[noreturn]] void panic_at(const char* condition, const char* file, int line);

}  // namespace narwhal

// Checked in every build: a broken invariant must stop the kernel before it corrupts data.
#define ASSERT(condition)                                       \
  do {                                                          \
    if (!(condition)) [[unlikely]]                              \
      ::narwhal::panic_at(#condition, __FILE_NAME__, __LINE__); \
  } while (0)

// Checked in host tests and debug builds only: for what is too hot or too slow to check always.
#ifdef NARWHAL_DEBUG
#define DEBUG_ASSERT(condition) ASSERT(condition)
#else
#define DEBUG_ASSERT(condition) \
  do {                          \
  } while (0)
#endif
