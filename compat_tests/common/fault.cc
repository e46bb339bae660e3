#include "compat_tests/common/fault.h"

#include <setjmp.h>
#include <signal.h>

namespace compat {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

thread_local sigjmp_buf return_point;
thread_local volatile Fault caught;

void on_fault(int signal, siginfo_t* info, void*) {
  caught.signal = signal;
  caught.code = info->si_code;
  caught.address = reinterpret_cast<uintptr_t>(info->si_addr);
  siglongjmp(return_point, 1);
}

}  // namespace

Fault catch_fault(const std::function<void()>& body) {
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  struct sigaction old_actions[std::size(kSignals)];
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &old_actions[i]);
  caught.signal = 0;
  caught.code = 0;
  caught.address = 0;
  if (sigsetjmp(return_point, 1) == 0) body();
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], &old_actions[i], nullptr);
  }
  return {.signal = caught.signal, .code = caught.code, .address = caught.address};
}

Fault fault_of_read(const volatile void* address) {
  return catch_fault([&] { (void)*static_cast<const volatile char*>(address); });
}

Fault fault_of_write(volatile void* address) {
  return catch_fault([&] {
    auto* byte = static_cast<volatile char*>(address);
    *byte = 1;
  });
}

}  // namespace compat
