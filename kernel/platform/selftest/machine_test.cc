// Memory, time, threads.
#include <cstring>

#include "kernel/mm/frame.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/selftest/selftest.h"
#include "kernel/sched/before_sleep.h"
#include "kernel/sched/thread.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal::selftest {

void test_memory() {
  CHECK(!platform::usable_memory().empty());
  u64 total = 0;
  for (const auto& range : platform::usable_memory()) total += range.size;
  CHECK(total > 2 * kMiB);

  const PhysAddr frame = allocate_frames(0, FrameContent::kZeroed).take();
  for (usize i = 0; i < kPageSize; ++i) CHECK(platform::direct_map(frame)[i] == std::byte(0));
  CHECK(platform::direct_map_to_phys(platform::direct_map(frame) + 5) == frame + 5);
  free_frames(frame, 0);

  std::byte* stack = platform::allocate_kernel_stack(16 * kKiB).take();
  std::memset(stack, 0xee, 16 * kKiB);
  CHECK(!kernel_can_read(stack - 1));
  CHECK(kernel_can_read(stack));
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
  // Programs read it themselves, unless it is no clock here.
  CHECK((platform::tsc_clock().mult != 0) == !asked_for("hostclock"));

  // What the clock follows goes on, too.
  platform::ReferenceTime first, second;
  if (platform::read_reference_time(first) && platform::read_reference_time(second)) {
    CHECK(first.ns < second.ns && first.wall_ns < second.wall_ns);
    CHECK(first.tsc <= first.read_at && first.read_at <= second.tsc);
  }

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

// Called once, by whoever sleeps next, who goes on when it is time.
void test_before_sleep() {
  static constinit u32 calls = 0;
  call_before_sleep([] { ++calls; });
  CHECK(calls == 0);
  for (int i = 0; i < 2; ++i) {
    prepare_to_sleep();
    CHECK(sleep_until(platform::monotonic_ns() + kNanosPerMilli, Interruptible::kNo).ok());
    CHECK(calls == 1);
  }
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
  test_before_sleep();
}

}  // namespace narwhal::selftest
