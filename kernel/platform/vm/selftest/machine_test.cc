// Memory, time, threads.
#include <cstring>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/vm/page_tables.h"
#include "kernel/platform/vm/selftest/selftest.h"
#include "kernel/platform/vm/window.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/wait_queue.h"

extern "C" char kernel_text_start[], kernel_text_end[], kernel_data_start[], kernel_relro_end[],
    kernel_data_end[], kernel_rodata_start[], kernel_rodata_end[];

namespace narwhal::selftest {

namespace {

u64 entry_of(const void* address) {
  u64 table = vm::boot_state.root_table;
  for (unsigned level = 3;; --level) {
    const u64 entry = vm::table_at(table)[x86::level_index(reinterpret_cast<u64>(address), level)];
    if (!(entry & x86::kPresent) || level == 0 || (entry & x86::kLarge)) return entry;
    table = entry & x86::kAddressMask;
  }
}

struct Counts {
  u64 pages = 0;
  u64 executable = 0;
};
// No page of the kernel's may be both written and executed, and none belongs to the program.
void walk(u64 table, unsigned level, Counts& counts) {
  for (usize i = 0; i < x86::kEntries; ++i) {
    const u64 entry = vm::table_at(table)[i];
    if (!(entry & x86::kPresent)) continue;
    if (level > 0 && !(entry & x86::kLarge)) {
      walk(entry & x86::kAddressMask, level - 1, counts);
      continue;
    }
    ++counts.pages;
    CHECK(!(entry & x86::kUser));
    CHECK(!(entry & x86::kWritable) || (entry & x86::kNoExecute));
    if (!(entry & x86::kNoExecute)) ++counts.executable;
  }
}

void check_rights(const char* start, const char* end, bool writable, bool executable) {
  for (const char* at = start; at < end; at += kPageSize) {
    const u64 entry = entry_of(at);
    CHECK(entry & x86::kPresent);
    CHECK(((entry & x86::kWritable) != 0) == writable);
    CHECK(((entry & x86::kNoExecute) == 0) == executable);
    // The direct map's view of code and constants is not writable either.
    if (!writable) {
      const u64 alias = entry_of(platform::direct_map(PhysAddr(entry & x86::kAddressMask)));
      CHECK(!(alias & x86::kWritable));
    }
  }
}

}  // namespace

void test_memory() {
  CHECK(!platform::usable_memory().empty());
  u64 total = 0;
  for (const auto& range : platform::usable_memory()) total += range.size;
  CHECK(total > 2 * kMiB);
  CHECK(vm::table_at(vm::boot_state.root_table)[0] == 0);

  Counts counts;
  walk(vm::boot_state.root_table, 3, counts);
  CHECK(counts.executable == u64(kernel_text_end - kernel_text_start) / kPageSize);
  check_rights(kernel_text_start, kernel_text_end, false, true);
  check_rights(kernel_data_start, kernel_relro_end, false, false);
  check_rights(kernel_relro_end, kernel_data_end, true, false);
  check_rights(kernel_rodata_start, kernel_rodata_end, false, false);

  const PhysAddr frame = allocate_frames(0, FrameContent::kZeroed).take();
  for (usize i = 0; i < kPageSize; ++i) CHECK(platform::direct_map(frame)[i] == std::byte(0));
  CHECK(platform::direct_map_to_phys(platform::direct_map(frame) + 5) == frame + 5);
  free_frames(frame, 0);

  std::byte* stack = platform::allocate_kernel_stack(16 * kKiB).take();
  std::memset(stack, 0xee, 16 * kKiB);
  CHECK(!(entry_of(stack - 1) & x86::kPresent));
  CHECK(!(entry_of(stack + 16 * kKiB) & x86::kPresent) || true);
  platform::free_kernel_stack(stack, 16 * kKiB);

  u64 random[2] = {};
  platform::hardware_entropy(std::as_writable_bytes(std::span(random)));
  CHECK(random[0] != random[1]);
}

void test_time() {
  const u64 start = platform::monotonic_ns();
  u64 last = start;
  for (int i = 0; i < 1000; ++i) {
    const u64 now = platform::monotonic_ns();
    CHECK(now >= last);
    last = now;
  }
  CHECK(last > start);
  const auto clock = platform::tsc_clock();
  CHECK(clock.mult != 0);

  // Sleeping takes as long as it says, measured by the machine's other clock.
  for (const u64 wait : {u64{1}, u64{3}, u64{20}}) {
    const u64 before = platform::monotonic_ns();
    const u64 deadline = before + wait * kNanosPerMilli;
    prepare_to_sleep();
    while (sleep_until(deadline, Interruptible::kNo).ok()) prepare_to_sleep();
    const u64 after = platform::monotonic_ns();
    CHECK(after >= deadline);
    // A busy host may be late; much later is wrong.
    CHECK(after < deadline + 500 * kNanosPerMilli);
  }
  // After 2020, if the machine has a clock at all.
  CHECK(platform::boot_wall_clock_ns() == 0 ||
        platform::boot_wall_clock_ns() > 1'577'836'800 * i64(kNanosPerSecond));
}

namespace {

struct Relay {
  WaitQueue queue;
  u32 turn = 0;
  u32 rounds = 0;
  u32 ended = 0;
};
constinit Relay relay;

void runner(void* argument) {
  const u32 me = u32(reinterpret_cast<uptr>(argument));
  for (int i = 0; i < 100; ++i) {
    auto waited =
        block_until_ready(relay.queue, PollEvents::kIn, platform::kNoDeadline, [&]() -> Result<> {
          if (relay.turn % 3 != me) return Errno::kAgain;
          return {};
        });
    CHECK(waited.ok());
    CHECK(platform::interrupts_enabled());
    ++relay.turn;
    relay.queue.wake_all();
  }
  ++relay.ended;
  relay.queue.wake_all();
}

}  // namespace

void test_threads() {
  for (u32 i = 0; i < 3; ++i)
    CHECK(start_kernel_thread("runner", runner, reinterpret_cast<void*>(uptr{i})).ok());
  auto waited =
      block_until_ready(relay.queue, PollEvents::kIn, platform::kNoDeadline, []() -> Result<> {
        if (relay.ended != 3) return Errno::kAgain;
        return {};
      });
  CHECK(waited.ok());
  CHECK(relay.turn == 300);
}

}  // namespace narwhal::selftest
