// What runs before main(), and what each thread gets of its own.
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <string>

#include "compat_tests/common/expect.h"
#include "compat_tests/loader/child.h"

namespace compat {
namespace {

// --- constructors

int order = 0;
int first = 0, second = 0, third = 0;
__attribute__((constructor(101))) void run_first() {
  first = ++order;
}
__attribute__((constructor(102))) void run_second() {
  second = ++order;
}
struct ByLanguage {
  ByLanguage() { third = ++order; }
} by_language;

TEST(Start, ConstructorsRunInTheirOrder) {
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
  EXPECT_EQ(third, 3);
}

// A function that the loader chooses by looking at the processor.
int plain() {
  return 7;
}
extern "C" int (*choose_by_processor())() {
  return plain;
}
__attribute__((ifunc("choose_by_processor"))) int chosen();

TEST(Start, IndirectFunctionsAreResolved) {
  EXPECT_EQ(chosen(), 7);
}

// --- segments

int initialised[1000] = {1, 2, 3};
int zeros[100000];
const int constant = 5;

TEST(Start, DataIsThereAndTheRestIsZero) {
  EXPECT_EQ(initialised[2], 3);
  for (const int value : zeros) ASSERT_EQ(value, 0);
  const volatile int* const read_only = &constant;
  EXPECT_EQ(*read_only, 5);
}

// --- thread-local storage

struct alignas(256) Aligned {
  int value = 77;
};
thread_local int with_value = 42;
thread_local char without_value[5000];
thread_local Aligned aligned;
thread_local std::string with_constructor = "made for each thread";

struct Seen {
  int value = 0;
  bool zero = true, aligned = false;
  std::string text;
  void* where = nullptr;
};
Seen look() {
  Seen seen;
  seen.value = with_value;
  for (const char c : without_value) seen.zero &= c == 0;
  seen.aligned = reinterpret_cast<uintptr_t>(&aligned) % 256 == 0 && aligned.value == 77;
  seen.text = with_constructor;
  seen.where = &with_value;
  with_value = -1;
  without_value[4999] = 1;
  aligned.value = 0;
  with_constructor = "changed";
  return seen;
}

TEST(ThreadLocal, EachThreadHasItsOwn) {
  Seen seen[3];
  seen[0] = look();
  for (int i = 1; i < 3; ++i) {
    pthread_t thread;
    ASSERT_EQ(pthread_create(
                  &thread, nullptr,
                  [](void* result) -> void* {
                    *static_cast<Seen*>(result) = look();
                    return nullptr;
                  },
                  &seen[i]),
              0);
    ASSERT_EQ(pthread_join(thread, nullptr), 0);
    EXPECT_NE(seen[i].where, seen[0].where);
  }
  for (const Seen& one : seen) {
    EXPECT_EQ(one.value, 42);
    EXPECT_TRUE(one.zero);
    EXPECT_TRUE(one.aligned);
    EXPECT_EQ(one.text, "made for each thread");
  }
  EXPECT_EQ(with_value, -1);
}

// --- the processor's state

TEST(Start, FloatingPointIsAsTheAbiSays) {
  uint32_t sse;
  uint16_t x87;
  asm volatile("stmxcsr %0" : "=m"(sse));
  asm volatile("fnstcw %0" : "=m"(x87));
  EXPECT_EQ(sse & ~0x3fu, 0x1f80u) << "all exceptions masked, round to nearest";
  EXPECT_EQ(x87, 0x037f);
  uint64_t flags;
  asm volatile("pushfq; popq %0" : "=r"(flags));
  EXPECT_EQ(flags & 0x400, 0u) << "the direction flag is clear";
  EXPECT_NE(flags & 0x200, 0u) << "interrupts are on";
  EXPECT_EQ(flags & 0x3000, 0u) << "no I/O privileges";
}

TEST(Start, TheStackIsAligned) {
  alignas(32) volatile char aligned_local[32];
  EXPECT_EQ(reinterpret_cast<uintptr_t>(aligned_local) % 32, 0u);
}

TEST(Start, RunsFromStartToEndInAChild) {
  const ChildResult result = run_self("arguments");
  EXPECT_EQ(result.output, "[child]\n");
  EXPECT_EQ(result.outcome.value, kChildStatus);
}

}  // namespace
}  // namespace compat
