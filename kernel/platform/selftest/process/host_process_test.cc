// Address spaces as host processes: more of them than there may be, what changes in one while the
// CPU is in another, and what the CPU takes along.
#include "kernel/platform/process/host_process.h"

#include "kernel/base/ref.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/context.h"
#include "kernel/platform/pmap.h"
#include "kernel/platform/selftest/process/process_tests.h"
#include "kernel/platform/user_copy.h"
#include "kernel/sched/thread.h"

namespace narwhal::selftest {

namespace {

constexpr UserAddr kAt(0x40'0000);
constexpr Protection kReadWrite = Protection::kRead | Protection::kWrite;

struct Space {
  Own<Pmap> pmap;
  PhysAddr frame{};

  explicit Space(char mark) : pmap(Pmap::create().take()), frame(marked_frame(mark)) {
    CHECK(pmap->map(kAt, frame, 1, kReadWrite).ok());
  }
  Space() : Space('s') {}
  ~Space() {
    pmap = nullptr;
    free_frames(frame, 0);
  }
};

usize most() {
  return platform::command_line().find("hostprocesses=") == std::string_view::npos
             ? process_home::kMostHostProcesses
             : 0;
}

// Each keeps what is its own, whether it finds its host process again or shares one in turns.
void test_many() {
  constexpr usize kSpaces = process_home::kMostHostProcesses + 10;
  static constinit Space* spaces[kSpaces] = {};
  const usize before = process_home::host_process_count();
  for (usize i = 0; i < kSpaces; ++i) {
    spaces[i] = new (std::nothrow) Space(char('!' + i));
    CHECK(spaces[i]);
    spaces[i]->pmap->activate();
    CHECK(byte_at(kAt) == char('!' + i));
  }
  if (most() != 0) CHECK(process_home::host_process_count() == most());
  for (int round = 0; round < 2; ++round)
    for (usize i = 0; i < kSpaces; ++i) {
      spaces[i]->pmap->activate();
      CHECK(byte_at(kAt) == char('!' + i));
      CHECK(byte_at(kAt + kPageSize) == '-');
    }
  for (Space* space : spaces) delete space;
  CHECK(process_home::host_process_count() >= before);
}

// Those that end make room for others; nobody finds what another left.
void test_reuse() {
  const usize before = process_home::host_process_count();
  Space parent('p');
  parent.pmap->activate();
  for (int i = 0; i < 100; ++i) {
    Space child('c');
    CHECK(child.pmap->map(kAt + (1 + i) * kPageSize, parent.frame, 1, Protection::kRead).ok());
    child.pmap->activate();
    CHECK(byte_at(kAt) == 'c');
    CHECK(byte_at(kAt + (1 + i) * kPageSize) == 'p');
    CHECK(byte_at(kAt + i * kPageSize) == (i == 0 ? 'c' : '-'));
    if (i % 2 == 0) child.pmap->deactivate();
    parent.pmap->activate();
    CHECK(byte_at(kAt) == 'p');
  }
  CHECK(process_home::host_process_count() <= before + 2);
}

// What changes in a space while the CPU is in another is seen when it comes back, few changes or
// many.
void test_changes_elsewhere() {
  Space one('1'), other('2');
  const PhysAddr fresh = marked_frame('n');
  for (const usize changes : {usize{1}, usize{3}, usize{40}}) {
    one.pmap->activate();
    const UserAddr area(0x1000'0000);
    for (usize i = 0; i < changes; ++i) {
      CHECK(one.pmap->map(area + i * 4 * kPageSize, one.frame, 1, kReadWrite).ok());
      CHECK(byte_at(area + i * 4 * kPageSize) == '1');
    }
    other.pmap->activate();
    for (usize i = 0; i < changes; ++i) {
      const UserAddr at = area + i * 4 * kPageSize;
      if (i % 3 == 0) one.pmap->unmap(at, 1);
      if (i % 3 == 1) one.pmap->protect(at, 1, Protection::kRead);
      if (i % 3 == 2) CHECK(one.pmap->map(at, fresh, 1, kReadWrite).ok());
    }
    one.pmap->activate();
    for (usize i = 0; i < changes; ++i) {
      const UserAddr at = area + i * 4 * kPageSize;
      CHECK(byte_at(at) == (i % 3 == 0 ? '-' : i % 3 == 1 ? '1' : 'n'));
      CHECK((platform::copy_to_user(at + 1, "x", 1) == 0) == (i % 3 == 2));
    }
    one.pmap->unmap(area, changes * 4);
  }
  free_frames(fresh, 0);
}

// The program's registers that the kernel leaves in the processor come along.
void test_luggage() {
  Space one('1'), other('2');
  one.pmap->activate();
  const u64 base = platform::fs_base();
  CHECK(platform::set_fs_base(0x1234'5000).ok());
  u64 vector = 0x1122'3344'5566'7788;
  asm volatile("movq %0, %%xmm15" ::"r"(vector));
  other.pmap->activate();
  vector = 0;
  asm volatile("movq %%xmm15, %0" : "=r"(vector));
  CHECK(vector == 0x1122'3344'5566'7788);
  CHECK(platform::fs_base() == 0x1234'5000);
  CHECK(platform::set_fs_base(base).ok());
}

// Stacks are made in one host process and used in another.
constinit u32 ended = 0;
void use_stack(void*) {
  volatile std::byte deep[8 * kKiB];
  deep[0] = std::byte(1);
  deep[sizeof deep - 1] = std::byte(1);
  ++ended;
}

void test_stacks() {
  constexpr u32 kThreads = 20;
  Space one('1'), other('2');
  ended = 0;
  one.pmap->activate();
  for (u32 i = 0; i < kThreads; ++i) CHECK(start_kernel_thread("stack", use_stack, nullptr).ok());
  other.pmap->activate();
  while (ended != kThreads) yield();
}

}  // namespace

void test_host_processes() {
  test_reuse();
  test_changes_elsewhere();
  test_luggage();
  test_stacks();
  test_many();
}

}  // namespace narwhal::selftest
