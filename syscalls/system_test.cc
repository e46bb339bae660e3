// uname, prctl, rseq, limits, scheduling: small calls as programs see them.
#include "kernel/abi/system.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "kernel/abi/resource.h"
#include "kernel/abi/sched.h"
#include "kernel/platform/fake/fake_machine.h"
#include "process/load.h"
#include "process/rseq.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kSchedYield = 24,
  kGetPid = 39,
  kUname = 63,
  kGetRLimit = 97,
  kGetRUsage = 98,
  kSysInfo = 99,
  kSetUid = 105,
  kPersonality = 135,
  kGetPriority = 140,
  kSetPriority = 141,
  kSchedSetParam = 142,
  kSchedSetScheduler = 144,
  kSchedGetScheduler = 145,
  kPriorityMax = 146,
  kPrctl = 157,
  kArchPrctl = 158,
  kSetRLimit = 160,
  kReboot = 169,
  kSetHostName = 170,
  kSchedSetAffinity = 203,
  kSchedGetAffinity = 204,
  kIoPrioSet = 251,
  kIoPrioGet = 252,
  kPrLimit = 302,
  kGetCpu = 309,
  kSchedSetAttr = 314,
  kSchedGetAttr = 315,
  kGetRandom = 318,
  kMemBarrier = 324,
  kRseq = 334,
};

constexpr i64 failure(Errno error) {
  return -i64(error);
}
UserAddr put_text(std::string_view text) {
  const UserAddr at = memory(text.size() + 1);
  EXPECT_EQ(platform::copy_to_user(at, std::string(text).c_str(), text.size() + 1), 0u);
  return at;
}
std::string text_at(UserAddr at) {
  char buffer[256];
  auto length = platform::copy_string_from_user(buffer, at, sizeof buffer);
  return length.ok() ? std::string(buffer, length.value()) : "?";
}
void as_root(void (*body)()) {
  const i32 child = fork(body);
  ASSERT_GT(child, 0);
  EXPECT_EQ(wait_for(child), 0);
}

TEST(System, Names) {
  const UserAddr at = memory(sizeof(abi::UtsName));
  EXPECT_EQ(call(kUname, at.value), 0);
  EXPECT_EQ(text_at(at), "Linux");
  EXPECT_EQ(text_at(at + offsetof(abi::UtsName, machine)), "x86_64");
  EXPECT_EQ(call(kSetHostName, put_text("whale").value, 5), 0);
  EXPECT_EQ(call(kUname, at.value), 0);
  EXPECT_EQ(text_at(at + offsetof(abi::UtsName, node)), "whale");
  EXPECT_EQ(call(kSetHostName, at.value, 65), failure(Errno::kInval));
  EXPECT_EQ(call(kSetHostName, kNowhere.value, 5), failure(Errno::kFault));
  EXPECT_EQ(call(kUname, kNowhere.value), failure(Errno::kFault));
  constexpr u64 kLinux32 = 8;
  EXPECT_EQ(call(kPersonality, kLinux32), 0);
  EXPECT_EQ(call(kUname, at.value), 0);
  EXPECT_EQ(text_at(at + offsetof(abi::UtsName, machine)), "i686");
  EXPECT_EQ(call(kPersonality, 0xffffffff), i64(kLinux32));
  EXPECT_EQ(call(kPersonality, 0), i64(kLinux32));
}

TEST(System, MemoryAndUptime) {
  const UserAddr at = memory(sizeof(abi::SystemInfo));
  EXPECT_EQ(call(kSysInfo, at.value), 0);
  const auto info = look<abi::SystemInfo>(at);
  EXPECT_GT(info.total_memory, info.free_memory);
  EXPECT_EQ(info.memory_unit, 1u);
  EXPECT_EQ(info.processes, 1u);
  EXPECT_GE(info.uptime, 1);
}

TEST(System, LoadAveragesGrowWhileAProgramComputes) {
  start_load_sampling();
  for (int samples = 0; samples < 12; ++samples) {
    fake::advance_time(5 * kNanosPerSecond);
    interrupt();
  }
  const UserAddr at = memory(sizeof(abi::SystemInfo));
  EXPECT_EQ(call(kSysInfo, at.value), 0);
  const auto info = look<abi::SystemInfo>(at);
  // After a minute of load 1 it is 1 - 1/e over a minute, and less over longer times.
  constexpr double kOne = 65536;
  EXPECT_NEAR(double(info.loads[0]) / kOne, 0.632, 0.02);
  EXPECT_NEAR(double(info.loads[1]) / kOne, 0.181, 0.02);
  EXPECT_NEAR(double(info.loads[2]) / kOne, 0.064, 0.02);
}

TEST(System, RandomBytes) {
  const UserAddr at = memory(8192);
  EXPECT_EQ(call(kGetRandom, at.value, 8000, 0), 8000);
  EXPECT_EQ(look<u64>(at + 8000), 0u);
  EXPECT_NE(look<u64>(at), look<u64>(at + 7992));
  EXPECT_EQ(call(kGetRandom, at.value, 0, 1), 0);
  EXPECT_EQ(call(kGetRandom, at.value, 8, 8), failure(Errno::kInval));
  EXPECT_EQ(call(kGetRandom, at.value, 8, 6), failure(Errno::kInval));
  EXPECT_EQ(call(kGetRandom, kNowhere.value, 8, 0), failure(Errno::kFault));
}

TEST(System, TheMachineIsTheHosts) {
  EXPECT_EQ(call(kReboot, 0xfee1dead, 672274793, 0x4321fedc, 0), failure(Errno::kPerm));
}

TEST(Prctl, NamesOfThreads) {
  constexpr u64 kSetName = 15, kGetName = 16;
  const UserAddr at = memory(16);
  EXPECT_EQ(call(kPrctl, kSetName, put_text("a name that is too long").value), 0);
  EXPECT_EQ(call(kPrctl, kGetName, at.value), 0);
  EXPECT_EQ(text_at(at), "a name that is ");
  EXPECT_EQ(call(kPrctl, kSetName, put_text("short").value), 0);
  EXPECT_EQ(call(kPrctl, kGetName, at.value), 0);
  EXPECT_EQ(text_at(at), "short");
  EXPECT_EQ(look<u8>(at + 15), 0u);
  EXPECT_EQ(call(kPrctl, kSetName, kNowhere.value), failure(Errno::kFault));
}

TEST(Prctl, Settings) {
  EXPECT_EQ(call(kPrctl, 1, 15), 0);
  const UserAddr at = memory(8);
  EXPECT_EQ(call(kPrctl, 2, at.value), 0);
  EXPECT_EQ(look<i32>(at), 15);
  EXPECT_EQ(call(kPrctl, 1, 65), failure(Errno::kInval));
  EXPECT_EQ(call(kPrctl, 1, 0), 0);
  EXPECT_EQ(call(kPrctl, 3), 1);
  EXPECT_EQ(call(kPrctl, 4, 2), failure(Errno::kInval));
  EXPECT_EQ(call(kPrctl, 29, 1234), 0);
  EXPECT_EQ(call(kPrctl, 30), 1234);
  EXPECT_EQ(call(kPrctl, 29, 0), 0);
  EXPECT_EQ(call(kPrctl, 30), 50'000);
  EXPECT_EQ(call(kPrctl, 39), 0);
  EXPECT_EQ(call(kPrctl, 38, 0), failure(Errno::kInval));
  EXPECT_EQ(call(kPrctl, 38, 1, 1), failure(Errno::kInval));
  EXPECT_EQ(call(kPrctl, 21), 0);
  EXPECT_EQ(call(kPrctl, 22, 3), failure(Errno::kInval));
  EXPECT_EQ(call(kPrctl, 9999), failure(Errno::kInval));
}

TEST(Prctl, Architecture) {
  const UserAddr at = memory(8);
  EXPECT_EQ(call(kArchPrctl, 0x1002, 0x12345000), 0);
  EXPECT_EQ(call(kArchPrctl, 0x1003, at.value), 0);
  EXPECT_EQ(look<u64>(at), 0x12345000u);
  EXPECT_EQ(call(kArchPrctl, 0x1002, u64{1} << 47), failure(Errno::kPerm));
  EXPECT_EQ(call(kArchPrctl, 0x1011, 0), 1);
  EXPECT_EQ(call(kArchPrctl, 0x1012, 0), failure(Errno::kNoDev));
  EXPECT_EQ(call(kArchPrctl, 0x7777, 0), failure(Errno::kInval));
}

TEST(Limits, AreCheckedAndKept) {
  as_root([] {
    const auto limit = [](u64 soft, u64 hard) { return put(abi::ResourceLimit{soft, hard}).value; };
    EXPECT_EQ(call(kSetRLimit, abi::kLimitOpenFiles, limit(10, 9)), failure(Errno::kInval));
    EXPECT_EQ(call(kSetRLimit, 16, limit(1, 1)), failure(Errno::kInval));
    EXPECT_EQ(call(kSetRLimit, 0, kNowhere.value), failure(Errno::kFault));
    EXPECT_EQ(call(kSetRLimit, abi::kLimitOpenFiles, limit(1, 1 << 21)), failure(Errno::kPerm));
    const UserAddr old = memory(16);
    EXPECT_EQ(call(kPrLimit, 0, abi::kLimitCore, limit(5, 6), old.value), 0);
    EXPECT_EQ(look<abi::ResourceLimit>(old).soft, 0u);
    EXPECT_EQ(call(kGetRLimit, abi::kLimitCore, old.value), 0);
    EXPECT_EQ(look<abi::ResourceLimit>(old).soft, 5u);
    EXPECT_EQ(call(kPrLimit, 99999, abi::kLimitCore, 0, 0), failure(Errno::kSrch));
    EXPECT_EQ(call(kPrLimit, 0, 16, 0, 0), failure(Errno::kInval));
    EXPECT_EQ(call(kSetUid, 100), 0);
    EXPECT_EQ(call(kSetRLimit, abi::kLimitCore, limit(5, 7)), failure(Errno::kPerm));
    EXPECT_EQ(call(kSetRLimit, abi::kLimitCore, limit(3, 4)), 0);
    EXPECT_EQ(call(kPrLimit, 1, abi::kLimitCore, 0, old.value), failure(Errno::kPerm));
  });
  EXPECT_EQ(call(kGetRUsage, 5, memory(144).value), failure(Errno::kInval));
  EXPECT_EQ(call(kGetRUsage, 0, memory(144).value), 0);
  EXPECT_EQ(call(kGetRUsage, u64(-1), memory(144).value), 0);
}

TEST(Priorities, NiceValues) {
  as_root([] {
    EXPECT_EQ(call(kGetPriority, 0, 0), 20);
    EXPECT_EQ(call(kSetPriority, 0, 0, 5), 0);
    EXPECT_EQ(call(kGetPriority, 0, 0), 15);
    EXPECT_EQ(call(kSetPriority, 0, 0, u64(-100)), 0);
    EXPECT_EQ(call(kGetPriority, 0, 0), 40);
    EXPECT_EQ(call(kSetPriority, 0, 0, 100), 0);
    EXPECT_EQ(call(kGetPriority, 0, 0), 1);
    EXPECT_EQ(call(kGetPriority, 3, 0), failure(Errno::kInval));
    EXPECT_EQ(call(kGetPriority, 0, 99999), failure(Errno::kSrch));
    EXPECT_EQ(call(kSetPriority, 0, 0, 0), 0);
    EXPECT_EQ(call(kSetUid, 100), 0);
    EXPECT_EQ(call(kSetPriority, 0, 0, u64(-1)), failure(Errno::kAcces));
    EXPECT_EQ(call(kSetPriority, 0, 1, 5), failure(Errno::kPerm));
  });
}

TEST(Priorities, InputAndOutput) {
  as_root([] {
    EXPECT_EQ(call(kIoPrioGet, 1, 0), 0);
    EXPECT_EQ(call(kIoPrioSet, 1, 0, 2 << 13 | 7), 0);
    EXPECT_EQ(call(kIoPrioGet, 1, 0), 2 << 13 | 7);
    EXPECT_EQ(call(kIoPrioSet, 1, 0, 1), failure(Errno::kInval));
    EXPECT_EQ(call(kIoPrioSet, 1, 0, 4 << 13), failure(Errno::kInval));
    EXPECT_EQ(call(kIoPrioGet, 0, 0), failure(Errno::kInval));
    EXPECT_EQ(call(kIoPrioGet, 1, 99999), failure(Errno::kSrch));
  });
}

TEST(Scheduling, PoliciesAreKept) {
  as_root([] {
    const auto priority = [](i32 value) { return put(value).value; };
    EXPECT_EQ(call(kSchedGetScheduler, 0), 0);
    EXPECT_EQ(call(kSchedSetScheduler, 0, 1, priority(0)), failure(Errno::kInval));
    EXPECT_EQ(call(kSchedSetScheduler, 0, 1, priority(100)), failure(Errno::kInval));
    EXPECT_EQ(call(kSchedSetScheduler, 0, 1, priority(7)), 0);
    EXPECT_EQ(call(kSchedGetScheduler, 0), 1);
    EXPECT_EQ(call(kSchedSetParam, 0, priority(0)), failure(Errno::kInval));
    EXPECT_EQ(call(kSchedSetParam, 0, priority(8)), 0);
    EXPECT_EQ(call(kSchedSetScheduler, 0, 4, priority(0)), failure(Errno::kInval));
    EXPECT_EQ(call(kSchedSetScheduler, u64(-1), 0, priority(0)), failure(Errno::kInval));
    EXPECT_EQ(call(kSchedSetScheduler, 99999, 0, priority(0)), failure(Errno::kSrch));
    EXPECT_EQ(call(kPriorityMax, 1), 99);
    EXPECT_EQ(call(kPriorityMax, 4), failure(Errno::kInval));
    EXPECT_EQ(call(kSchedSetScheduler, 0, abi::kPolicyResetOnFork, priority(0)), 0);
    EXPECT_EQ(call(kSchedGetScheduler, 0), i64(abi::kPolicyResetOnFork));
    EXPECT_EQ(call(kSetUid, 100), 0);
    EXPECT_EQ(call(kSchedSetScheduler, 0, 1, priority(1)), failure(Errno::kPerm));
    EXPECT_EQ(call(kSchedSetScheduler, 0, 0, priority(0)), failure(Errno::kPerm));
  });
}

TEST(Scheduling, Attributes) {
  as_root([] {
    abi::SchedAttributes wanted{};
    wanted.size = 48;
    wanted.nice = 3;
    EXPECT_EQ(call(kSchedSetAttr, 0, put(wanted).value, 0), 0);
    const UserAddr out = memory(64);
    EXPECT_EQ(call(kSchedGetAttr, 0, out.value, 56, 0), 0);
    EXPECT_EQ(look<abi::SchedAttributes>(out).nice, 3);
    EXPECT_EQ(look<abi::SchedAttributes>(out).size, 56u);
    EXPECT_EQ(call(kSchedGetAttr, 0, out.value, 40, 0), failure(Errno::kInval));
    wanted.size = 40;
    const UserAddr small = put(wanted);
    EXPECT_EQ(call(kSchedSetAttr, 0, small.value, 0), failure(Errno::kTooBig));
    EXPECT_EQ(look<u32>(small), 56u);
    wanted.size = 48;
    wanted.priority = 3;
    EXPECT_EQ(call(kSchedSetAttr, 0, put(wanted).value, 0), failure(Errno::kInval));
  });
}

TEST(Scheduling, TheOneCpu) {
  const UserAddr mask = memory(128);
  EXPECT_EQ(call(kSchedGetAffinity, 0, 128, mask.value), 8);
  EXPECT_EQ(look<u64>(mask), 1u);
  EXPECT_EQ(call(kSchedGetAffinity, 0, 4, mask.value), failure(Errno::kInval));
  EXPECT_EQ(call(kSchedGetAffinity, 99999, 8, mask.value), failure(Errno::kSrch));
  EXPECT_EQ(call(kSchedSetAffinity, 0, 8, mask.value), 0);
  EXPECT_EQ(call(kSchedSetAffinity, 0, 8, put(u64{2}).value), failure(Errno::kInval));
  EXPECT_EQ(call(kSchedSetAffinity, 0, 8, kNowhere.value), failure(Errno::kFault));
  EXPECT_EQ(call(kGetCpu, mask.value, mask.value + 4, 0), 0);
  EXPECT_EQ(look<u64>(mask), 0u);
  EXPECT_EQ(call(kSchedYield), 0);
}

TEST(MemBarrier, WantsRegistration) {
  as_root([] {
    EXPECT_EQ(call(kMemBarrier, 0, 0, 0), 0x1ff);
    EXPECT_EQ(call(kMemBarrier, 8, 0, 0), failure(Errno::kPerm));
    EXPECT_EQ(call(kMemBarrier, 16, 0, 0), 0);
    EXPECT_EQ(call(kMemBarrier, 8, 0, 0), 0);
    EXPECT_EQ(call(kMemBarrier, 1, 0, 0), 0);
    EXPECT_EQ(call(kMemBarrier, 1, 1, 0), failure(Errno::kInval));
    EXPECT_EQ(call(kMemBarrier, 1024, 0, 0), failure(Errno::kInval));
  });
}

TEST(Rseq, Registration) {
  as_root([] {
    constexpr u64 kSignature = 0x53053053;
    const UserAddr area = memory(32);
    EXPECT_EQ(call(kRseq, area.value, 32, 1, kSignature), failure(Errno::kInval));
    EXPECT_EQ(call(kRseq, area.value, 31, 0, kSignature), failure(Errno::kInval));
    EXPECT_EQ(call(kRseq, area.value + 8, 32, 0, kSignature), failure(Errno::kInval));
    EXPECT_EQ(call(kRseq, area.value, 32, 2, kSignature), failure(Errno::kInval));
    EXPECT_EQ(call(kRseq, ~u64{31}, 32, 0, kSignature), failure(Errno::kFault));
    EXPECT_EQ(call(kRseq, area.value, 32, 0, kSignature), 0);
    EXPECT_EQ(look<RseqArea>(area).cpu_id, 0u);
    EXPECT_EQ(call(kRseq, area.value, 32, 0, kSignature), failure(Errno::kBusy));
    EXPECT_EQ(call(kRseq, area.value, 32, 0, kSignature + 1), failure(Errno::kPerm));
    EXPECT_EQ(call(kRseq, area.value + 32, 32, 0, kSignature), failure(Errno::kInval));
    EXPECT_EQ(call(kRseq, area.value, 32, 1, kSignature + 1), failure(Errno::kPerm));
    EXPECT_EQ(call(kRseq, area.value, 32, 1, kSignature), 0);
    EXPECT_EQ(look<RseqArea>(area).cpu_id, kRseqUninitialized);
  });
}

// The section is around the place where the program is in these tests.
TEST(Rseq, APreemptedSectionStartsOver) {
  as_root([] {
    constexpr u32 kSignature = 0x53053053;
    const UserAddr area = memory(32), code = memory(64);
    ASSERT_EQ(call(kRseq, area.value, 32, 0, kSignature), 0);
    EXPECT_TRUE(store_user(code, kSignature).ok());
    UserRegs& regs = current_task().user_regs();
    const u64 rip = regs.rip;
    RseqCriticalSection section{0, 0, rip - 4, 8, code.value + 4};
    const UserAddr at = put(section);
    EXPECT_TRUE(store_user(area + offsetof(RseqArea, critical_section), at.value).ok());
    rseq_resume(current_task(), regs);
    EXPECT_EQ(regs.rip, section.abort);
    EXPECT_EQ(look<RseqArea>(area).critical_section, 0u);
    regs.rip = rip;
    // Outside it nothing happens but that the section is forgotten.
    section.start = rip + 4;
    EXPECT_TRUE(store_user(area + offsetof(RseqArea, critical_section), put(section).value).ok());
    rseq_resume(current_task(), regs);
    EXPECT_EQ(regs.rip, rip);
    EXPECT_EQ(look<RseqArea>(area).critical_section, 0u);
  });
}

TEST(Rseq, AWrongSignatureIsDeadly) {
  const i32 child = fork([] {
    const UserAddr area = memory(32), code = memory(64);
    ASSERT_EQ(call(kRseq, area.value, 32, 0, 1), 0);
    UserRegs& regs = current_task().user_regs();
    const RseqCriticalSection section{0, 0, regs.rip - 4, 8, code.value + 4};
    EXPECT_TRUE(store_user(area + offsetof(RseqArea, critical_section), put(section).value).ok());
    rseq_resume(current_task(), regs);
    interrupt();
    ADD_FAILURE() << "it lives";
  });
  EXPECT_EQ(wait_for(child) & 0x7f, i64(Signal::kSegv));
}

}  // namespace
}  // namespace narwhal
