#include <gtest/gtest.h>

#include <cstring>

#include "kernel/platform/cpu_local.h"
#include "kernel/platform/fake/fake_machine.h"
#include "kernel/platform/upcalls.h"
#include "kernel/platform/user_copy.h"

namespace narwhal {
namespace {

int timer_calls = 0;
std::function<bool(const upcall::PageFault&)> fault_handler;

}  // namespace

// What the code above a home would define.
void upcall::on_timer(bool) {
  EXPECT_FALSE(platform::interrupts_enabled());
  EXPECT_GT(cpu_local().interrupt_depth, 0u);
  ++timer_calls;
}
bool upcall::on_page_fault(const PageFault& fault, UserRegs*) {
  return fault_handler && fault_handler(fault);
}

namespace {

TEST(FakeClock, TheTimerComesOnceWhenItsTimeHasCome) {
  timer_calls = 0;
  const u64 now = platform::monotonic_ns();
  platform::set_timer(now + 100);
  fake::advance_time(99);
  EXPECT_EQ(timer_calls, 0);
  fake::advance_time(1);
  EXPECT_EQ(timer_calls, 1);
  fake::advance_time(1000);
  EXPECT_EQ(timer_calls, 1);
  EXPECT_EQ(fake::timer_deadline(), platform::kNoDeadline);
}

TEST(FakeClock, DisabledInterruptsWait) {
  timer_calls = 0;
  int handled = 0;
  {
    InterruptGuard guard;
    platform::set_timer(0);
    fake::post_interrupt([&] { ++handled; });
    fake::advance_time(10);
    EXPECT_EQ(timer_calls, 0);
    EXPECT_EQ(handled, 0);
  }
  EXPECT_EQ(timer_calls, 1);
  EXPECT_EQ(handled, 1);
}

TEST(FakeClock, AnIdleCpuSleepsUntilTheTimer) {
  timer_calls = 0;
  const u64 deadline = platform::monotonic_ns() + 5000;
  platform::set_timer(deadline);
  const bool on = platform::interrupts_save_disable();
  platform::wait_for_interrupt();
  EXPECT_FALSE(platform::interrupts_enabled());
  platform::interrupts_restore(on);
  EXPECT_EQ(timer_calls, 1);
  EXPECT_EQ(platform::monotonic_ns(), deadline);
}

struct PingPong {
  KernelContext main, other;
  std::string trace;
};

TEST(FakeContext, SwitchesThereAndBack) {
  constexpr usize kSize = 16 * kKiB;
  const usize stacks_before = fake::kernel_stacks();
  std::byte* stack = platform::allocate_kernel_stack(kSize).take();
  PingPong state;
  platform::context_init(
      state.other, stack + kSize,
      [](void* argument) {
        auto& state = *static_cast<PingPong*>(argument);
        for (;;) {
          state.trace += 'b';
          static_cast<void>(platform::interrupts_save_disable());
          platform::context_switch(state.other, state.main);
        }
      },
      &state);
  for (int i = 0; i < 3; ++i) {
    state.trace += 'a';
    const bool on = platform::interrupts_save_disable();
    platform::context_switch(state.main, state.other);
    platform::interrupts_restore(on);
  }
  EXPECT_EQ(state.trace, "ababab");
  platform::free_kernel_stack(stack, kSize);
  EXPECT_EQ(fake::kernel_stacks(), stacks_before);
}

TEST(FakeContext, ANewContextHasInterruptsEnabled) {
  constexpr usize kSize = 16 * kKiB;
  std::byte* stack = platform::allocate_kernel_stack(kSize).take();
  PingPong state;
  platform::context_init(
      state.other, stack + kSize,
      [](void* argument) {
        auto& state = *static_cast<PingPong*>(argument);
        state.trace = platform::interrupts_enabled() ? "on" : "off";
        static_cast<void>(platform::interrupts_save_disable());
        platform::context_switch(state.other, state.main);
      },
      &state);
  const bool on = platform::interrupts_save_disable();
  platform::context_switch(state.main, state.other);
  platform::interrupts_restore(on);
  EXPECT_EQ(state.trace, "on");
  platform::free_kernel_stack(stack, kSize);
}

TEST(FakeRun, SaysHowItEnded) {
  int steps = 0;
  EXPECT_EQ(fake::run([&] { ++steps; }), fake::RunEnd::kReturned);
  EXPECT_EQ(fake::run([&] {
              ++steps;
              fake::stop();
            }),
            fake::RunEnd::kStopped);
  EXPECT_EQ(fake::run([&] { platform::power_off(7); }), fake::RunEnd::kPoweredOff);
  EXPECT_EQ(fake::power_off_status(), 7);
  EXPECT_EQ(fake::run([&] {
              static_cast<void>(platform::interrupts_save_disable());
              platform::wait_for_interrupt();
            }),
            fake::RunEnd::kIdle);
  EXPECT_EQ(steps, 2);
  EXPECT_TRUE(platform::interrupts_enabled());
}

TEST(FakeUserMemory, CopiesStopAtHoles) {
  fake::UserMemory low(UserAddr(0x20000), 100);
  fake::UserMemory high(UserAddr(0x20064), 50, Protection::kRead);
  std::vector<char> bytes(200, 'x');
  EXPECT_EQ(platform::copy_to_user(UserAddr(0x20000), bytes.data(), 200), 100u);
  EXPECT_EQ(low.text(), std::string(100, 'x'));
  EXPECT_EQ(high.text(), std::string(50, '\0'));
  EXPECT_EQ(platform::copy_from_user(bytes.data(), UserAddr(0x20000), 200), 50u);
  EXPECT_EQ(platform::zero_user(UserAddr(0x20010), 4), 0u);
  EXPECT_EQ(low.text()[0x0f], 'x');
  EXPECT_EQ(low.text()[0x10], '\0');
  EXPECT_EQ(low.text()[0x14], 'x');
}

TEST(FakeUserMemory, StringsEndOrSayWhy) {
  fake::UserMemory memory(UserAddr(0x20000), 8);
  std::memcpy(memory.data(), "abc\0defg", 8);
  char text[16];
  EXPECT_EQ(platform::copy_string_from_user(text, UserAddr(0x20000), sizeof text).take(), 3u);
  EXPECT_STREQ(text, "abc");
  EXPECT_TRUE(
      platform::copy_string_from_user(text, UserAddr(0x20004), 4).failed(Errno::kNameTooLong));
  EXPECT_TRUE(platform::copy_string_from_user(text, UserAddr(0x20004), 5).failed(Errno::kFault));
}

TEST(FakeUserMemory, TheKernelsHalfIsOutOfReach) {
  char byte = 0;
  EXPECT_EQ(platform::copy_from_user(&byte, UserAddr(0xffff'8000'0000'0000), 1), 1u);
  EXPECT_EQ(platform::copy_from_user(&byte, UserAddr(~u64{0}), 1), 1u);
  EXPECT_EQ(platform::copy_from_user(&byte, kUserEnd, 1), 1u);
}

TEST(FakePmap, CopiesGoThroughTheMappingAndFaultPagesIn) {
  Own<Pmap> pmap = Pmap::create().take();
  pmap->activate();
  const PhysAddr frame(2 * kMiB);
  int faults = 0;
  fault_handler = [&](const upcall::PageFault& fault) {
    ++faults;
    EXPECT_EQ(fault.access, Protection::kWrite);
    if (fault.address.page() == UserAddr(0x41000)) return false;
    return pmap->map(fault.address.page(), frame, 1, Protection::kRead | Protection::kWrite).ok();
  };
  EXPECT_EQ(platform::copy_to_user(UserAddr(0x40ffe), "abcd", 4), 2u);
  EXPECT_EQ(faults, 2);
  EXPECT_EQ(std::memcmp(platform::direct_map(frame) + 0xffe, "ab", 2), 0);
  Pmap::Mapping mapping;
  ASSERT_TRUE(pmap->lookup(UserAddr(0x40123), mapping));
  EXPECT_EQ(mapping.frame, frame);
  EXPECT_TRUE(mapping.dirty);
  pmap->clear_marks(UserAddr(0x40000), true, true);
  ASSERT_TRUE(pmap->lookup(UserAddr(0x40123), mapping));
  EXPECT_FALSE(mapping.dirty || mapping.accessed);
  fault_handler = nullptr;
  // Atomic access never faults a page in.
  EXPECT_TRUE(platform::atomic_load_user(UserAddr(0x42000)).failed(Errno::kFault));
  EXPECT_EQ(platform::atomic_compare_exchange_user(UserAddr(0x40000), 0, 5).take(), 0u);
  EXPECT_EQ(platform::atomic_load_user(UserAddr(0x40000)).take(), 5u);
}

TEST(FakePmap, RangesAndHoles) {
  Own<Pmap> pmap = Pmap::create().take();
  ASSERT_TRUE(pmap->map(UserAddr(0x10000), PhysAddr(2 * kMiB), 4, Protection::kRead).ok());
  pmap->unmap(UserAddr(0x11000), 2);
  UserAddr found;
  Pmap::Mapping mapping;
  ASSERT_TRUE(pmap->next_mapped(UserAddr(0x11000), UserAddr(0x20000), found, mapping));
  EXPECT_EQ(found, UserAddr(0x13000));
  EXPECT_EQ(mapping.frame, PhysAddr(2 * kMiB + 0x3000));
  EXPECT_FALSE(pmap->next_mapped(UserAddr(0x11000), UserAddr(0x13000), found, mapping));
  fake::set_pmap_budget(1);
  EXPECT_TRUE(
      pmap->map(UserAddr(0x20000), PhysAddr(2 * kMiB), 2, Protection::kRead).failed(Errno::kNoMem));
  fake::set_pmap_budget(~usize{0});
}

TEST(FakeInterrupts, LinesAndMessagesReachTheirHandlers) {
  int calls = 0;
  auto handler = [](void* argument) { ++*static_cast<int*>(argument); };
  ASSERT_TRUE(platform::register_irq(5, true, false, handler, &calls).ok());
  const auto message = platform::register_message_irq(handler, &calls).take();
  fake::raise_irq(5);
  EXPECT_EQ(calls, 1);
  const bool on = platform::interrupts_save_disable();
  fake::raise_message(message.data);
  EXPECT_EQ(calls, 1);
  platform::interrupts_restore(on);
  EXPECT_EQ(calls, 2);
}

TEST(FakeMemory, HolesCannotBeTouched) {
  fake::set_physical_memory({{PhysAddr(0x1000), 0x2000}, {PhysAddr(0x10000), 0x1000}});
  platform::direct_map(PhysAddr(0x2fff))[0] = std::byte(1);
  EXPECT_EQ(platform::direct_map_to_phys(platform::direct_map(PhysAddr(0x10010))),
            PhysAddr(0x10010));
  EXPECT_DEATH(platform::direct_map(PhysAddr(0x3000))[0] = std::byte(1), "");
  fake::set_physical_memory({{PhysAddr(0x1000), kMiB - 0x1000}, {PhysAddr(2 * kMiB), 62 * kMiB}});
}

TEST(FakeUserDeathTest, CopiesUnderASpinlockStopTheTest) {
  fake::UserMemory memory(UserAddr(0x20000), 8);
  char byte;
  ++cpu_local().spinlock_depth;
  EXPECT_DEATH(static_cast<void>(platform::copy_from_user(&byte, UserAddr(0x20000), 1)),
               "spinlock_depth");
  --cpu_local().spinlock_depth;
}

}  // namespace
}  // namespace narwhal
