#include "kernel/sched/testing/thread_main.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>

#include "kernel/mm/frame.h"
#include "kernel/platform/fake/fake_machine.h"
#include "kernel/sched/thread.h"

namespace narwhal {
namespace {

void run_all(void* before) {
  if (before) reinterpret_cast<void (*)()>(before)();
  const int result = RUN_ALL_TESTS();
  // Threads that sleep for ever would keep the machine.
  std::cout.flush();
  _exit(result);
}

}  // namespace

int run_tests_on_a_thread(int count, char** values, void (*before)()) {
  ::testing::InitGoogleTest(&count, values);
  frames_init();
  fake::run([before] {
    scheduler_init();
    start_kernel_thread("tests", run_all, reinterpret_cast<void*>(before)).ignore();
    run_scheduler();
  });
  return 1;
}

}  // namespace narwhal
