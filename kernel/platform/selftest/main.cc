#include "kernel/base/log.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/selftest/selftest.h"
#include "kernel/platform/upcalls.h"
#include "kernel/sched/thread.h"

extern "C" char kernel_text_start[];

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

bool asked_for(std::string_view end) {
  const usize at = platform::command_line().find("selftest=");
  if (at == std::string_view::npos) return false;
  const auto rest = platform::command_line().substr(at + 9);
  return rest.substr(0, rest.find(' ')) == end;
}

namespace {

// Runs in a call of a program, whose pages are mapped.
void finish() {
  if (asked_for("panic")) panic("asked for on the command line");
  if (asked_for("fault")) *reinterpret_cast<volatile u32*>(0x1234) = 0;
  end_as_asked();
  if (asked_for("nx")) reinterpret_cast<void (*)()>(&checks)();
  if (asked_for("wp")) *reinterpret_cast<volatile u8*>(kernel_text_start) = 0;
  if (asked_for("overflow")) {
    // Runs into the guard page below the stack.
    volatile std::byte* here = reinterpret_cast<std::byte*>(__builtin_frame_address(0));
    for (;;) *here-- = std::byte(0);
  }
  if (asked_for("recursion")) checks += u32(recurse(1'000'000));
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
  test_home();
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
