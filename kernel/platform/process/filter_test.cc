#include "kernel/platform/process/filter.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace narwhal::process_home {
namespace {

// struct seccomp_data (linux/seccomp.h).
struct Call {
  i32 number = 0;
  u32 architecture = kArchX8664;
  u64 address = 0x7f00'0000'1000;
  u64 arguments[6] = {};
};
static_assert(sizeof(Call) == 64);

constexpr int kStreamNumbers[] = {4, 5, -1, 9, 7};
constexpr int kDeviceNumbers[] = {9, 7};
constexpr int kTimerNumbers[] = {0};
constexpr int kMemoryNumber = 3;
constexpr u64 kKill = Filter::kKillProcess, kAllow = Filter::kAllow, kTrap = Filter::kTrap;

// What the host does with the filter, which it also checks: every jump leads to an instruction, and
// every way ends.
u32 decide(const Call& call, const HostObjects& objects = HostObjects{
                                 kMemoryNumber, kStreamNumbers, kDeviceNumbers, kTimerNumbers}) {
  const Filter filter(objects);
  const auto program = filter.instructions();
  u32 accumulator = 0;
  for (usize at = 0; at < program.size(); ++at) {
    const FilterInstruction& now = program[at];
    switch (now.code) {
      case Filter::kLoad:
        EXPECT_TRUE(now.value % 4 == 0 && now.value + 4 <= sizeof call);
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + now.value, 4);
        break;
      case Filter::kAnd:
        accumulator &= now.value;
        break;
      case Filter::kJumpIfEqual:
        at += accumulator == now.value ? now.if_true : now.if_false;
        break;
      case Filter::kJumpIfGreater:
        at += accumulator > now.value ? now.if_true : now.if_false;
        break;
      case Filter::kReturn:
        return now.value;
      default:
        ADD_FAILURE() << "no such instruction: " << now.code;
        return 0;
    }
  }
  ADD_FAILURE() << "the filter has no end";
  return 0;
}

u32 decide(int number, std::vector<u64> arguments = {}) {
  Call call;
  call.number = number;
  for (usize i = 0; i < arguments.size(); ++i) call.arguments[i] = arguments[i];
  return decide(call);
}

bool is_listed(int number) {
  for (const HostCall& call : kHostCalls)
    if (int(call.number) == number) return true;
  return false;
}

TEST(Filter, EndsTheProcessForWhatIsNotListed) {
  for (int number = -1; number < 1024; ++number)
    if (!is_listed(number)) EXPECT_EQ(decide(number), kKill) << number;
  for (const HostCall& call : kHostCalls) {
    EXPECT_EQ(decide(int(call.number) | 0x40000000), kKill) << "x32: " << call.name;
    for (const u32 architecture : {0x40000003u, 0u, 0xffffffffu}) {
      Call other;
      other.number = int(call.number);
      other.architecture = architecture;
      EXPECT_EQ(decide(other), kKill) << call.name;
    }
  }
}

TEST(Filter, MapsTheMemoryFileOnly) {
  const auto map = [](u64 rights, u64 flags, u64 fd) {
    return decide(9, {0x10000, 4096, rights, flags, fd, 0});
  };
  for (u64 rights = 0; rights < 8; ++rights) EXPECT_EQ(map(rights, 0x11, 3), kAllow);
  EXPECT_EQ(map(3, 0x8011, 3), kAllow);
  EXPECT_EQ(map(8, 0x11, 3), kKill);
  EXPECT_EQ(map(0x0100'0003, 0x11, 3), kKill);  // PROT_GROWSDOWN
  EXPECT_EQ(map(u64{1} << 32 | 3, 0x11, 3), kKill);
  for (const u64 fd : {0, 4, 5, 7, 9, -1}) EXPECT_EQ(map(3, 0x11, fd), kKill);
  // The host takes the lower half.
  EXPECT_EQ(map(3, 0x11, u64{5} << 32 | 3), kAllow);
  EXPECT_EQ(map(3, 0x11, u64{3} << 32 | 5), kKill);
  for (const u64 flags : {0x01, 0x10, 0x12, 0x13, 0x31, 0x8001, 0x100011, 0x2011, 0x40011, 0x111})
    EXPECT_EQ(map(3, flags, 3), kKill) << std::hex << flags;
  EXPECT_EQ(map(3, u64{1} << 32 | 0x11, 3), kKill);
}

TEST(Filter, ReadsAndWritesTheStreamsOnly) {
  for (const int number : {0, 1, 19, 20}) {
    for (i64 fd = -3; fd < 64; ++fd) {
      const bool is_stream = fd == 4 || fd == 5 || fd == 7 || fd == 9;
      EXPECT_EQ(decide(number, {u64(fd)}), is_stream ? kAllow : kKill) << fd;
    }
  }
}

TEST(Filter, SwitchesSignalsOfDevicesOnly) {
  constexpr u64 kSet = 4, kNonBlocking = 04000, kAsynchronous = 020000;
  for (i64 fd = -3; fd < 64; ++fd) {
    const bool is_device = fd == 7 || fd == 9;
    EXPECT_EQ(decide(72, {u64(fd), kSet, kNonBlocking}), is_device ? kAllow : kKill) << fd;
  }
  EXPECT_EQ(decide(72, {7, kSet, kNonBlocking | kAsynchronous}), kAllow);
  // Others' descriptors, owners, leases, seals.
  for (u64 command = 0; command < 2048; ++command)
    EXPECT_EQ(decide(72, {7, command, kNonBlocking}), command == kSet ? kAllow : kKill) << command;
  for (const u64 flags : {u64{0}, kAsynchronous, u64{02000}, kNonBlocking | 040000, u64{1} << 32})
    EXPECT_EQ(decide(72, {7, kSet, flags}), kKill) << flags;
}

TEST(Filter, SetsTheTimersThatThereAre) {
  EXPECT_EQ(decide(223, {0, 0, 0x1000, 0}), kAllow);
  EXPECT_EQ(decide(223, {1, 0, 0x1000, 0}), kKill);
  EXPECT_EQ(decide(223, {0, 1, 0x1000, 0}), kKill);       // TIMER_ABSTIME
  EXPECT_EQ(decide(223, {0, 0, 0x1000, 0x2000}), kKill);  // where to write what it was
}

TEST(Filter, BindsItsOwnThreadOnly) {
  EXPECT_EQ(decide(203, {0, 128, 0x1000}), kAllow);
  for (const u64 thread : {u64{1}, u64{1000}, ~u64{0}, u64{1} << 32})
    EXPECT_EQ(decide(203, {thread, 128, 0x1000}), kKill) << thread;
}

TEST(Filter, PunchesHolesOnly) {
  EXPECT_EQ(decide(285, {3, 3, 0x200000, 0x200000}), kAllow);
  EXPECT_EQ(decide(285, {4, 3, 0x200000, 0x200000}), kKill);
  for (const u64 mode : {u64{0}, u64{1}, u64{2}, u64{8}, u64{16}, u64{1} << 32 | 3})
    EXPECT_EQ(decide(285, {3, mode, 0x200000, 0x200000}), kKill) << mode;
}

TEST(Filter, ForgetsAndCollapsesOnly) {
  for (u64 advice = 0; advice < 128; ++advice)
    EXPECT_EQ(decide(28, {0x200000, 0x200000, advice}),
              advice == 4 || advice == 25 ? kAllow : kKill)
        << advice;
  for (const u64 advice : {4, 25})
    EXPECT_EQ(decide(28, {0x200000, 0x200000, u64{1} << 32 | advice}), kKill);
}

TEST(Filter, WaitsForItsTurn) {
  constexpr u64 kPrivate = 128;
  EXPECT_EQ(decide(202, {0x1000, 0, 0, 0}), kAllow);
  EXPECT_EQ(decide(202, {0x1000, 1, 1, 0}), kAllow);
  EXPECT_EQ(decide(202, {0x1000, 0, 0, 0x2000}), kKill);  // a time limit
  for (const u64 operation : {u64{2}, u64{5}, u64{6}, u64{9}, kPrivate, kPrivate | 1, u64{1} << 32})
    EXPECT_EQ(decide(202, {0x1000, operation, 0, 0}), kKill) << operation;
}

// One CPU has nobody to tell anything; several send each other the one signal that nobody minds.
TEST(Filter, SendsOneSignalOnly) {
  constexpr int kTimersOfTwo[] = {0, 1};
  const HostObjects two{kMemoryNumber, kStreamNumbers, kDeviceNumbers, kTimersOfTwo, kCallSignal};
  for (u64 signal = 0; signal < 70; ++signal) {
    Call call;
    call.number = 234;
    call.arguments[0] = 1000;
    call.arguments[1] = 1001;
    call.arguments[2] = signal;
    EXPECT_EQ(decide(call), kKill) << signal;
    EXPECT_EQ(decide(call, two), signal == 23 ? kAllow : kKill) << signal;
  }
  for (u64 timer = 0; timer < 4; ++timer) {
    Call call;
    call.number = 223;
    call.arguments[0] = timer;
    EXPECT_EQ(decide(call, two), timer < 2 ? kAllow : kKill) << timer;
  }
}

TEST(Filter, AsksForTheTimeOfTwoClocks) {
  for (const u64 clock : {u64{0}, u64{1}, u64{2}, u64{4}, u64{1} << 32, ~u64{0}})
    EXPECT_EQ(decide(228, {clock, 0x1000}), clock <= 1 ? kAllow : kKill) << clock;
}

TEST(Filter, SleepsWithoutAMask) {
  EXPECT_EQ(decide(271, {0x1000, 5, 0x2000, 0, 8}), kAllow);
  EXPECT_EQ(decide(271, {0x1000, 5, 0x2000, 0x3000, 8}), kKill);
  EXPECT_EQ(decide(271, {0x1000, 5, 0x2000, u64{1} << 32, 8}), kKill);
}

TEST(Filter, MakesSignalsOfVsyscalls) {
  const auto at = [](int number, u64 address) {
    Call call;
    call.number = number;
    call.address = address;
    return decide(call);
  };
  EXPECT_EQ(at(96, 0xffff'ffff'ff60'0000), kTrap);
  EXPECT_EQ(at(201, 0xffff'ffff'ff60'0400), kTrap);
  EXPECT_EQ(at(309, 0xffff'ffff'ff60'0800), kTrap);
  EXPECT_EQ(at(96, 0xffff'ffff'ff60'0400), kKill);
  EXPECT_EQ(at(96, 0x0000'0000'ff60'0000), kKill);
  EXPECT_EQ(at(96, 0x7f00'0000'1000), kKill);
  EXPECT_EQ(at(57, 0xffff'ffff'ff60'0000), kKill);
}

}  // namespace
}  // namespace narwhal::process_home
