// Which way musl's calls come, where the kernel counts it (as ../calls/ways_test.cc does).
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compat_tests/musl/check.h"

enum { kTimes = 1000, kFew = 100 };

// False where calls come one way only.
static int count_direct(unsigned long* direct) {
  FILE* const file = fopen("/sys/kernel/narwhal/calls", "r");
  if (!file) return 0;
  unsigned long rewriting = 0;
  const int got = fscanf(file, "rewriting %lu direct %lu", &rewriting, direct);
  fclose(file);
  return got == 2 && rewriting == 1;
}

static int zeros;

static void expect_direct(void (*call)(void)) {
  unsigned long before = 0, after = 0;
  if (!count_direct(&before)) return;
  for (int i = 0; i < kTimes; i++) call();
  EXPECT(count_direct(&after));
  EXPECT(after - before > kTimes - kFew);
}

static void call_by_number(void) {
  syscall(SYS_getppid);
}
CHECK(Ways, FunctionForAnyCall) {
  expect_direct(call_by_number);
}

static void call_by_name(void) {
  getppid();
}
CHECK(Ways, FunctionOfOneCall) {
  expect_direct(call_by_name);
}

static void call_that_can_be_cancelled(void) {
  char byte;
  EXPECT_NUMBER(1, read(zeros, &byte, 1));
}
CHECK(Ways, CallThatCanBeCancelled) {
  zeros = open("/dev/zero", O_RDONLY);
  EXPECT(zeros >= 0);
  expect_direct(call_that_can_be_cancelled);
  close(zeros);
}
