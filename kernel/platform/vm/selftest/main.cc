#include "kernel/base/log.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/upcalls.h"
#include "kernel/platform/vm/selftest/selftest.h"
#include "kernel/sched/thread.h"

namespace narwhal {

namespace selftest {

constinit u32 checks = 0;

void fail(const char* what, int line) {
  Text<200> text;
  text << "FAILED: " << what << ", line " << line << '\n';
  platform::console_write(text.view());
  platform::power_off(1);
}

// Calls itself until the stack is full.
[[gnu::noinline]] u64 recurse(u64 depth) {
  volatile u64 local = depth;
  return depth == 0 ? 0 : recurse(depth - 1) + local;
}

namespace {

void finish() {
  if (platform::command_line().find("selftest=panic") != std::string_view::npos)
    panic("asked for on the command line");
  if (platform::command_line().find("selftest=fault") != std::string_view::npos)
    *reinterpret_cast<volatile u32*>(0x1234) = 0;
  if (platform::command_line().find("selftest=overflow") != std::string_view::npos) {
    // Runs into the guard page below the stack.
    volatile std::byte* here = reinterpret_cast<std::byte*>(__builtin_frame_address(0));
    for (;;) *here-- = std::byte(0);
  }
  if (platform::command_line().find("selftest=recursion") != std::string_view::npos)
    checks += u32(recurse(1'000'000));
  Text<100> text;
  text << "selftest: " << checks << " checks passed\n";
  platform::console_write(text.view());
  platform::power_off(0);
}

void run(void*) {
  test_memory();
  test_time();
  test_threads();
  test_page_tables();
  test_user_copies();
  start_programs(finish);
}

}  // namespace
}  // namespace selftest

void upcall::on_panic(const char*) {
  platform::console_write("on_panic was called\n");
}

extern "C" [[noreturn]] void narwhal_kernel_main() {
  scheduler_init();
  CHECK(start_kernel_thread("selftest", selftest::run, nullptr).ok());
  run_scheduler();
}

}  // namespace narwhal
