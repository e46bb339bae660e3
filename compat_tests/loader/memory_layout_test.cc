// Where a program's parts are: randomisation, the heap that brk(2) moves, the stack that grows.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/fault.h"
#include "compat_tests/common/files.h"
#include "compat_tests/loader/child.h"

extern "C" char __executable_start[], _end[];

namespace compat {
namespace {

struct Area {
  uintptr_t start = 0, end = 0;
  std::string rights;
};
// The first line of /proc/self/maps with this name.
Area area(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.size() < name.size() ||
        line.compare(line.size() - name.size(), name.size(), name) != 0)
      continue;
    Area found;
    char rights[5] = "";
    if (sscanf(line.c_str(), "%lx-%lx %4s", &found.start, &found.end, rights) == 3) {
      found.rights = rights;
      return found;
    }
  }
  return {};
}

uintptr_t address_of(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

bool is_position_independent() {
  return address_of(__executable_start) > 0x10000000;
}

// --- randomisation

std::set<std::string> two_runs(const std::string& what, unsigned long persona) {
  std::set<std::string> values;
  for (int i = 0; i < 2; ++i) {
    ChildRequest request;
    request.prepare = [=] { personality(persona); };
    values.insert(run_self("addresses", request).line(what));
  }
  return values;
}

TEST(Layout, DiffersFromRunToRun) {
  for (const char* what : {"stack", "mapping", "vdso", "heap"})
    EXPECT_EQ(two_runs(what, PER_LINUX).size(), 2u) << what;
  EXPECT_EQ(two_runs("code", PER_LINUX).size(), is_position_independent() ? 2u : 1u);
}

TEST(Layout, IsTheSameWithoutRandomisation) {
  for (const char* what : {"stack", "mapping", "vdso", "heap", "code"})
    EXPECT_EQ(two_runs(what, ADDR_NO_RANDOMIZE).size(), 1u) << what;
  EXPECT_EQ(two_runs("random", ADDR_NO_RANDOMIZE).size(), 2u) << "AT_RANDOM is random all the same";
}

TEST(Layout, PersonalityTellsWhatItWas) {
  EXPECT_EQ(personality(0xffffffff), PER_LINUX);
  EXPECT_EQ(personality(ADDR_NO_RANDOMIZE), PER_LINUX);
  EXPECT_EQ(personality(PER_LINUX), ADDR_NO_RANDOMIZE);
  EXPECT_EQ(personality(0xffffffff), PER_LINUX);
}

TEST(Layout, PartsLieWhereTheyBelong) {
  const Area stack = area("[stack]"), heap = area("[heap]"), vdso = area("[vdso]");
  const int local = 0;
  EXPECT_LE(stack.start, address_of(&local));
  EXPECT_LT(address_of(&local), stack.end);
  EXPECT_EQ(stack.rights, "rw-p");
  EXPECT_LE(stack.end, 0x7ffffffff000u);
  // Programs without an interpreter that can be anywhere may be where a heap could not grow.
  if (!is_position_independent() || getauxval(AT_BASE) != 0)
    EXPECT_GE(heap.start, address_of(_end) / kPage * kPage) << "the heap follows the program";
  EXPECT_EQ(heap.rights, "rw-p");
  EXPECT_EQ(vdso.start, getauxval(AT_SYSINFO_EHDR));
  EXPECT_EQ(vdso.rights, "r-xp");
}

TEST(Layout, NothingIsMappedAtZero) {
  EXPECT_EQ(catch_fault([] {
              static_cast<void>(*reinterpret_cast<volatile char*>(uintptr_t{8}));
            }).signal,
            SIGSEGV);
}

TEST(Layout, CodeIsNotWritableAndDataIsNotExecutable) {
  auto* const code = reinterpret_cast<volatile char*>(&is_position_independent);
  EXPECT_EQ(catch_fault([=] { *code = 0; }).code, SEGV_ACCERR);
  static unsigned char data[] = {0xc3};
  EXPECT_EQ(catch_fault([] { reinterpret_cast<void (*)()>(data)(); }).code, SEGV_ACCERR);
}

// --- the heap

void* raw_brk(void* at) {
  return reinterpret_cast<void*>(syscall(SYS_brk, at));
}

TEST(Brk, MovesUpAndDown) {
  char* const old = static_cast<char*>(raw_brk(nullptr));
  EXPECT_EQ(raw_brk(old + 3 * kPage), old + 3 * kPage);
  memset(old, 1, 3 * kPage);
  EXPECT_EQ(raw_brk(nullptr), old + 3 * kPage);
  EXPECT_EQ(raw_brk(old), old);
  EXPECT_EQ(raw_brk(nullptr), old);
}

TEST(Brk, NeedNotBeAWholePage) {
  char* const old = static_cast<char*>(raw_brk(nullptr));
  EXPECT_EQ(raw_brk(old + 100), old + 100);
  old[99] = 1;
  EXPECT_EQ(raw_brk(old), old);
}

TEST(Brk, PagesThatComeBackAreZero) {
  char* const old = static_cast<char*>(raw_brk(nullptr));
  char* const start = reinterpret_cast<char*>((address_of(old) + kPage - 1) / kPage * kPage);
  ASSERT_EQ(raw_brk(start + 2 * kPage), start + 2 * kPage);
  memset(start, 0x55, 2 * kPage);
  ASSERT_EQ(raw_brk(start), start);
  EXPECT_EQ(catch_fault([=] { *static_cast<volatile char*>(start + kPage) = 1; }).code,
            SEGV_MAPERR);
  ASSERT_EQ(raw_brk(start + 2 * kPage), start + 2 * kPage);
  for (size_t i = 0; i < 2 * kPage; i += 512) EXPECT_EQ(start[i], 0);
  ASSERT_EQ(raw_brk(old), old);
}

TEST(Brk, WhatCannotBeLeavesItWhereItIs) {
  void* const old = raw_brk(nullptr);
  EXPECT_EQ(raw_brk(reinterpret_cast<void*>(uintptr_t{4096})), old) << "below the heap";
  EXPECT_EQ(raw_brk(reinterpret_cast<void*>(0x7fffffffffff)), old) << "through everything else";
  EXPECT_EQ(raw_brk(reinterpret_cast<void*>(~uintptr_t{0})), old) << "the kernel's half";
  EXPECT_EQ(raw_brk(nullptr), old);
}

TEST(Brk, StopsAtAnotherMapping) {
  char* const old = static_cast<char*>(raw_brk(nullptr));
  char* const end = reinterpret_cast<char*>((address_of(old) + kPage - 1) / kPage * kPage);
  void* const wall = mmap(end + 2 * kPage, kPage, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  ASSERT_EQ(wall, end + 2 * kPage);
  EXPECT_EQ(raw_brk(end + 3 * kPage), old);
  ASSERT_OK(munmap(wall, kPage));
  EXPECT_EQ(raw_brk(end + 3 * kPage), end + 3 * kPage);
  EXPECT_EQ(raw_brk(old), old);
}

TEST(Brk, CountsAsData) {
  rlimit old_limit;
  ASSERT_OK(getrlimit(RLIMIT_DATA, &old_limit));
  const rlimit tight = {1 << 20, old_limit.rlim_max};
  ASSERT_OK(setrlimit(RLIMIT_DATA, &tight));
  char* const old = static_cast<char*>(raw_brk(nullptr));
  EXPECT_EQ(raw_brk(old + (64 << 20)), old);
  ASSERT_OK(setrlimit(RLIMIT_DATA, &old_limit));
}

// --- the stack

__attribute__((noinline)) int use_stack(size_t bytes) {
  // From the top down, as deep recursion would.
  volatile char* const memory = static_cast<volatile char*>(__builtin_alloca(bytes));
  int sum = 0;
  for (size_t at = bytes; at > 0; at -= kPage) {
    memory[at - 1] = 1;
    sum += memory[at - 1];
  }
  return sum;
}

TEST(Stack, GrowsByItself) {
  const Area before = area("[stack]");
  EXPECT_GT(use_stack(2 << 20), 0);
  const Area after = area("[stack]");
  EXPECT_EQ(after.end, before.end);
  EXPECT_GE(after.end - after.start, 2u << 20);
}

TEST(Stack, GrowsInOneStepToo) {
  // Linux once looked how far below rsp an access was; since 5.0 only the limit counts.
  const int local = 0;
  volatile char* const far = reinterpret_cast<volatile char*>(address_of(&local) - (5 << 20));
  EXPECT_EQ(catch_fault([=] { *far = 1; }).signal, 0);
  EXPECT_EQ(*far, 1);
}

TEST(Stack, EndsAtItsLimit) {
  rlimit limit;
  ASSERT_OK(getrlimit(RLIMIT_STACK, &limit));
  if (limit.rlim_cur > (64u << 20)) GTEST_SKIP() << "the stack has no limit here";
  const int local = 0;
  volatile char* const far =
      reinterpret_cast<volatile char*>(address_of(&local) - limit.rlim_cur - (1 << 20));
  const Fault fault = catch_fault([=] { *far = 1; });
  EXPECT_EQ(fault.signal, SIGSEGV);
  EXPECT_EQ(fault.code, SEGV_MAPERR);
}

TEST(Stack, TheLimitOfTheMomentCounts) {
  rlimit old;
  ASSERT_OK(getrlimit(RLIMIT_STACK, &old));
  const Area stack = area("[stack]");
  const rlimit tight = {stack.end - stack.start, old.rlim_max};
  ASSERT_OK(setrlimit(RLIMIT_STACK, &tight));
  volatile char* const below = reinterpret_cast<volatile char*>(stack.start - kPage);
  EXPECT_EQ(catch_fault([=] { *below = 1; }).signal, SIGSEGV);
  ASSERT_OK(setrlimit(RLIMIT_STACK, &old));
  EXPECT_EQ(catch_fault([=] { *below = 1; }).signal, 0);
}

}  // namespace
}  // namespace compat
