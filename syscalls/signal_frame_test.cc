// The frames of handlers: what is in them, what changes to them do, and what hostile ones can't do.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "kernel/platform/fake/fake_machine.h"
#include "process/pid_table.h"
#include "process/signal_fpu.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kSigReturn = 15,
  kPause = 34,
  kGetPid = 39,
  kKill = 62,
  kSigAltStack = 131,
  kExitGroup = 231,
};
constexpr Signal kSignal = Signal::kUsr1;
// Of the XSAVE area.
constexpr usize kMxcsrAt = 24, kXmm0At = 160, kSoftwareAt = 464, kHeaderAt = 512;

constexpr i64 failure(Errno error) {
  return -i64(error);
}
void raise(Signal signal = kSignal) {
  EXPECT_EQ(call(kKill, u64(call(kGetPid)), u64(signal)), 0);
}
UserRegs& regs() {
  return current_task().user_regs();
}
i64 set_stack(UserAddr base, u64 size, i32 flags = 0) {
  return call(kSigAltStack, put(abi::SignalStack{base.value, flags, 0, size}).value, 0);
}
abi::SignalStack stack_now() {
  const UserAddr at = memory(sizeof(abi::SignalStack));
  EXPECT_EQ(call(kSigAltStack, 0, at.value), 0);
  return look<abi::SignalStack>(at);
}
// How a program ends.
i32 end_of(std::function<void()> body) {
  return i32(wait_for(fork(std::move(body))));
}
i32 end_after_handler(Handler handler) {
  return end_of([&] {
    handle(kSignal, handler);
    raise();
    call(kExitGroup, 9);
  });
}
constexpr i32 kSurvived = 9 << 8;
constexpr i32 kKilled = i32(Signal::kSegv);

class SignalFrameTest : public testing::Test {
 protected:
  ~SignalFrameTest() override {
    set_action(kSignal, abi::kSignalDefault);
    set_action(Signal::kSegv, abi::kSignalDefault);
    set_stack(UserAddr(), 0, abi::kStackDisable);
  }
};

TEST_F(SignalFrameTest, ShowsTheProgram) {
  const UserRegs before = regs();
  abi::UContext seen{};
  abi::SignalInfo info{};
  u64 frame = 0, vectors = 0;
  UserRegs at_entry{};
  handle(kSignal, [&](Caught& caught) {
    seen = *caught.context;
    info = caught.info;
    frame = caught.frame.value;
    vectors = caught.context->registers.fpstate;
    at_entry = regs();
  });
  regs().rbx = 0x1234;
  regs().r15 = 0x5678;
  regs().rflags |= 0x400;
  raise();
  EXPECT_EQ(regs().rbx, 0x1234u);
  EXPECT_TRUE(regs().rflags & 0x400) << "the direction flag is the program's";
  regs().rflags &= ~u64{0x400};
  EXPECT_EQ(seen.registers.rbx, 0x1234u);
  EXPECT_EQ(seen.registers.r15, 0x5678u);
  EXPECT_EQ(seen.registers.rip, before.rip);
  EXPECT_EQ(seen.registers.rsp, before.rsp);
  EXPECT_EQ(seen.registers.cs, 0x33);
  EXPECT_EQ(seen.registers.ss, 0x2b);
  EXPECT_EQ(seen.flags, 7u);
  EXPECT_EQ(seen.link, 0u);
  EXPECT_EQ(seen.stack.flags, abi::kStackDisable);
  EXPECT_EQ(info.number, i32(kSignal));
  // Where the ABI wants things.
  EXPECT_EQ(frame % 16, 8u);
  EXPECT_EQ(vectors % 64, 0u);
  EXPECT_LE(vectors + signal_fpu::frame_size(), before.rsp - 128) << "the red zone stays";
  EXPECT_LE(frame + sizeof(abi::SignalFrame), vectors);
  EXPECT_GE(frame + signal_frame_size(), before.rsp - 128);
  EXPECT_EQ(at_entry.rdi, u64(kSignal));
  EXPECT_EQ(at_entry.rax, 0u);
  EXPECT_EQ(at_entry.rflags & 0x10500, 0u);
  const auto words = look<abi::ExtendedStateBytes>(UserAddr(vectors) + kSoftwareAt);
  EXPECT_EQ(words.magic, abi::kExtendedStateMagic);
  EXPECT_EQ(words.state_size, platform::fpu_area_size());
  EXPECT_EQ(words.extended_size, signal_fpu::frame_size());
  EXPECT_EQ(words.features, platform::fpu_feature_mask());
  EXPECT_EQ(look<u32>(UserAddr(vectors) + words.state_size), abi::kExtendedStateEndMagic);
  EXPECT_EQ(look<u64>(UserAddr(vectors) + kHeaderAt) & 3, 3u);
}

TEST_F(SignalFrameTest, InfoOnlyWhenWanted) {
  i32 code = 77;
  handle(kSignal, [&](Caught& caught) { code = caught.info.code; }, 0);
  raise();
  EXPECT_EQ(code, 0);
  const abi::SignalAction action = current_process().handlers().get(kSignal);
  EXPECT_EQ(action.flags, abi::kActionRestorer);
}

TEST_F(SignalFrameTest, ChangesTakeEffect) {
  handle(kSignal, [&](Caught& caught) {
    caught.context->registers.rbx = 0xabcd;
    caught.context->registers.rax = 0x77;
    caught.context->mask.add(Signal::kUsr2);
    caught.context->mask.add(Signal::kKill);
  });
  EXPECT_EQ(call(kKill, u64(call(kGetPid)), u64(kSignal)), 0x77);
  EXPECT_EQ(regs().rbx, 0xabcdu);
  EXPECT_TRUE(current_task().signals.blocked == signal_set(Signal::kUsr2));
  unblock(signal_set(Signal::kUsr2));
}

TEST_F(SignalFrameTest, FlagsAndSegmentsStayThePrograms) {
  handle(kSignal, [&](Caught& caught) {
    caught.context->registers.rflags = ~u64{0};
    caught.context->registers.cs = 0x8;
    caught.context->registers.ss = 0x10;
  });
  raise();
  EXPECT_EQ(regs().cs, 0x33u);
  EXPECT_EQ(regs().ss, 0x2bu);
  EXPECT_EQ(regs().rflags & 0x3000, 0u) << "no right to ports";
  EXPECT_TRUE(regs().rflags & 0x200) << "interrupts stay enabled";
  EXPECT_EQ(regs().rflags >> 18 >> 4, 0u);
  EXPECT_TRUE(regs().rflags & 0x40000);
  regs().rflags &= ~u64{0x50dd5};
}

TEST_F(SignalFrameTest, VectorRegistersComeBack) {
  alignas(64) std::byte area[4096];
  ASSERT_LE(platform::fpu_area_size(), sizeof area);
  platform::fpu_area_init(area);
  const u64 header = 3;
  std::memcpy(area + kHeaderAt, &header, sizeof header);
  std::memset(area + kXmm0At, 0x5a, 16);
  platform::fpu_load(area);
  u64 in_frame = 0, at_entry = 1;
  u32 mxcsr = 0;
  handle(kSignal, [&](Caught& caught) {
    in_frame = look<u64>(UserAddr(caught.context->registers.fpstate) + kXmm0At);
    platform::fpu_save(area);
    std::memcpy(&at_entry, area + kXmm0At, sizeof at_entry);
    std::memcpy(&mxcsr, area + kMxcsrAt, sizeof mxcsr);
    // The handler uses it for itself.
    std::memset(area + kXmm0At, 0x11, 16);
    platform::fpu_load(area);
  });
  raise();
  EXPECT_EQ(in_frame, 0x5a5a5a5a5a5a5a5au);
  EXPECT_EQ(at_entry, 0u);
  EXPECT_EQ(mxcsr, 0x1f80u);
  platform::fpu_save(area);
  EXPECT_EQ(u8(area[kXmm0At]), 0x5a);
  EXPECT_EQ(u8(area[kXmm0At + 15]), 0x5a);
}

TEST_F(SignalFrameTest, AFrameWithoutVectorsStartsThemAfresh) {
  alignas(64) std::byte area[4096];
  platform::fpu_area_init(area);
  std::memset(area + kXmm0At, 0x5a, 16);
  platform::fpu_load(area);
  handle(kSignal, [&](Caught& caught) { caught.context->registers.fpstate = 0; });
  raise();
  platform::fpu_save(area);
  EXPECT_EQ(u8(area[kXmm0At]), 0);
}

// --- frames that nobody should believe

TEST_F(SignalFrameTest, TheTestsOwnWayOut) {
  EXPECT_EQ(end_after_handler([](Caught&) {}), kSurvived);
}

TEST_F(SignalFrameTest, VectorStateThatWouldFaultIsRefused) {
  const auto with = [](usize at, auto value) {
    return end_after_handler([=](Caught& caught) {
      const UserAddr vectors(caught.context->registers.fpstate);
      EXPECT_EQ(platform::copy_to_user(vectors + at, &value, sizeof value), 0u);
    });
  };
  EXPECT_EQ(with(kMxcsrAt, ~u32{0}), kKilled);
  EXPECT_EQ(with(kHeaderAt, ~u64{0}), kKilled);
  EXPECT_EQ(with(kHeaderAt + 8, u64{1}), kKilled) << "compact format";
  EXPECT_EQ(with(kHeaderAt + 63, u8{1}), kKilled);
  EXPECT_EQ(with(kMxcsrAt, u32{0x1fbf}), kSurvived);
  // What says less than the truth of itself is read as FXSAVE alone, whose header does not count.
  EXPECT_EQ(with(kSoftwareAt, u32{0}), kSurvived);
  EXPECT_EQ(with(kSoftwareAt + 16, ~u32{0}), kSurvived);
  EXPECT_EQ(with(kSoftwareAt + 16, u32{5}), kSurvived);
  EXPECT_EQ(with(platform::fpu_area_size(), u32{0}), kSurvived);
}

TEST_F(SignalFrameTest, AddressesThatAreNone) {
  const auto vectors_at = [](u64 address) {
    return end_after_handler([=](Caught& caught) { caught.context->registers.fpstate = address; });
  };
  EXPECT_EQ(vectors_at(kNowhere.value), kKilled);
  EXPECT_EQ(vectors_at(~u64{0} - 63), kKilled);
  EXPECT_EQ(vectors_at(kUserEnd.value - 64), kKilled);
  EXPECT_EQ(end_of([] {
              regs().rsp = kNowhere.value;
              call(kSigReturn);
            }),
            kKilled);
}

TEST_F(SignalFrameTest, AJumpToNoAddressIsASignalThatShowsIt) {
  static constexpr u64 kNoAddress = 0x1234'5678'0000'0000;
  EXPECT_EQ(end_after_handler([](Caught& caught) { caught.context->registers.rip = kNoAddress; }),
            kKilled);
  const i32 end = end_after_handler([](Caught& caught) {
    const u64 home = caught.context->registers.rip;
    caught.context->registers.rip = kNoAddress;
    handle(Signal::kSegv, [=](Caught& again) {
      EXPECT_EQ(again.context->registers.rip, kNoAddress);
      EXPECT_EQ(again.info.code, abi::kCodeKernel);
      again.context->registers.rip = home;
    });
  });
  EXPECT_EQ(end, kSurvived);
}

TEST_F(SignalFrameTest, NoRoomForAFrameIsDeath) {
  EXPECT_EQ(end_of([] {
              handle(kSignal, [](Caught&) {});
              regs().rsp = kNowhere.value;
              raise();
            }),
            kKilled);
  // Nor does a handler of SIGSEGV help that has no stack either.
  EXPECT_EQ(end_of([] {
              handle(kSignal, [](Caught&) {});
              handle(Signal::kSegv, [](Caught&) { ADD_FAILURE(); });
              regs().rsp = 64;
              raise();
            }),
            kKilled);
}

TEST_F(SignalFrameTest, WithoutARestorerThereIsNoWayBack) {
  EXPECT_EQ(end_of([] {
              const abi::SignalAction action{0x50'0000, abi::kActionSigInfo, 0, 0};
              call(13, u64(kSignal), put(action).value, 0, 8);
              raise();
            }),
            kKilled);
}

// --- the alternate stack

TEST_F(SignalFrameTest, AlternateStack) {
  constexpr u64 kSize = 64 * kKiB;
  const UserAddr base = memory(kSize);
  EXPECT_EQ(stack_now().flags, abi::kStackDisable);
  EXPECT_EQ(set_stack(base, kSize), 0);
  EXPECT_EQ(stack_now().flags, 0);
  int depth = 0;
  u64 last_frame = (base + kSize).value;
  handle(
      kSignal,
      [&](Caught& caught) {
        EXPECT_GT(caught.frame.value, base.value);
        EXPECT_LT(caught.frame.value, last_frame);
        last_frame = caught.frame.value;
        EXPECT_EQ(stack_now().flags, abi::kStackOnStack);
        EXPECT_EQ(set_stack(UserAddr(), 0, abi::kStackDisable), failure(Errno::kPerm));
        if (++depth < 3) raise();
      },
      abi::kActionSigInfo | abi::kActionOnStack | abi::kActionNoDefer);
  raise();
  EXPECT_EQ(depth, 3);
  EXPECT_EQ(stack_now().flags, 0);
  EXPECT_EQ(set_stack(base, 2047), failure(Errno::kNoMem));
  EXPECT_EQ(set_stack(base, kSize, 77), failure(Errno::kInval));
  EXPECT_EQ(call(kSigAltStack, kNowhere.value), failure(Errno::kFault));
  EXPECT_EQ(call(kSigAltStack, 0, kNowhere.value), failure(Errno::kFault));
}

TEST_F(SignalFrameTest, OnlyForHandlersThatAskForIt) {
  const UserAddr base = memory(64 * kKiB);
  set_stack(base, 64 * kKiB);
  handle(kSignal, [&](Caught& caught) {
    EXPECT_FALSE(on_alternate_stack(current_task(), caught.frame.value));
    EXPECT_EQ(caught.context->stack.base, base.value);
  });
  raise();
}

TEST_F(SignalFrameTest, AutoDisarm) {
  const UserAddr base = memory(64 * kKiB);
  EXPECT_EQ(set_stack(base, 64 * kKiB, abi::kStackAutoDisarm), 0);
  handle(
      kSignal,
      [&](Caught& caught) {
        EXPECT_GT(caught.frame.value, base.value);
        EXPECT_EQ(stack_now().flags, abi::kStackDisable);
        EXPECT_EQ(caught.context->stack.flags, abi::kStackAutoDisarm);
      },
      abi::kActionSigInfo | abi::kActionOnStack);
  raise();
  EXPECT_EQ(stack_now().flags, abi::kStackAutoDisarm);
  EXPECT_EQ(stack_now().base, base.value);
}

TEST_F(SignalFrameTest, OverflowOfTheAlternateStackIsDeath) {
  EXPECT_EQ(end_of([] {
              const UserAddr below = memory(64 * kKiB);
              static_cast<void>(below);
              const UserAddr base = memory(2 * kKiB);
              set_stack(base, 2 * kKiB);
              handle(
                  kSignal, [](Caught&) { raise(); },
                  abi::kActionSigInfo | abi::kActionOnStack | abi::kActionNoDefer);
              raise();
            }),
            kKilled);
}

// --- faults

TEST_F(SignalFrameTest, PageFaults) {
  int count = 0;
  handle(Signal::kSegv, [&](Caught& caught) {
    ++count;
    EXPECT_EQ(caught.info.code, abi::kSegvMapError);
    EXPECT_EQ(caught.info.fault.address, kNowhere.value);
    EXPECT_EQ(caught.context->registers.trap_number, 14u);
    EXPECT_EQ(caught.context->registers.error, 6u);
    EXPECT_EQ(caught.context->registers.cr2, kNowhere.value);
  });
  page_fault(kNowhere, Protection::kWrite);
  EXPECT_EQ(count, 1);
  // One that can be answered is no signal.
  page_fault(memory(8 * kPageSize) + 4 * kPageSize, Protection::kWrite);
  EXPECT_EQ(count, 1);
  set_action(Signal::kSegv, abi::kSignalIgnore);
  EXPECT_EQ(end_of([] { page_fault(kNowhere, Protection::kRead); }), kKilled);
  EXPECT_EQ(end_of([] {
              handle(Signal::kSegv, [](Caught&) { ADD_FAILURE(); });
              block(signal_set(Signal::kSegv));
              page_fault(kNowhere, Protection::kRead);
            }),
            kKilled);
}

TEST_F(SignalFrameTest, DeadlyFaultsAreReported) {
  fake::log_output().clear();
  EXPECT_EQ(end_of([] { page_fault(kNowhere, Protection::kWrite); }), kKilled);
  EXPECT_NE(fake::log_output().find("SIGSEGV by exception 14, error code 0x6, address 0x10000000"),
            std::string::npos);
  fake::log_output().clear();
  handle(Signal::kSegv, [](Caught&) {});
  page_fault(kNowhere, Protection::kWrite);
  EXPECT_TRUE(fake::log_output().empty());
}

TEST_F(SignalFrameTest, WantOfMemoryEndsTheProgram) {
  fake::log_output().clear();
  // Its parent holds as much, and is protected; the child would inherit that.
  find_process(1)->oom_score_adjustment.store(-1000);
  const i32 end = end_of([] {
    current_process().oom_score_adjustment.store(0);
    const UserAddr at = memory(1 * kMiB);
    fake::set_pmap_budget(0);
    for (u64 offset = 0;; offset += kPageSize) page_fault(at + offset, Protection::kWrite);
  });
  fake::set_pmap_budget(~usize{0});
  find_process(1)->oom_score_adjustment.store(0);
  EXPECT_EQ(end, i32(Signal::kKill));
  EXPECT_NE(fake::log_output().find("out of memory: killed process"), std::string::npos);
}

TEST_F(SignalFrameTest, Traps) {
  struct Case {
    u8 vector;
    Signal signal;
    i32 code;
    bool has_address;
  };
  constexpr Case kCases[] = {
      {0, Signal::kFpe, 1, true},      {1, Signal::kTrap, 2, true},
      {3, Signal::kTrap, 0x80, false}, {4, Signal::kSegv, 0x80, false},
      {6, Signal::kIll, 2, true},      {11, Signal::kBus, 0x80, false},
      {12, Signal::kBus, 0x80, false}, {13, Signal::kSegv, 0x80, false},
      {17, Signal::kBus, 1, false},
  };
  for (const Case& wanted : kCases) {
    int count = 0;
    handle(wanted.signal, [&](Caught& caught) {
      ++count;
      EXPECT_EQ(caught.info.code, wanted.code) << int(wanted.vector);
      EXPECT_EQ(caught.info.fault.address, wanted.has_address ? caught.context->registers.rip : 0);
      EXPECT_EQ(caught.context->registers.trap_number, wanted.vector);
    });
    trap(wanted.vector, 0, wanted.vector == 1 ? DebugRegisters::kStep : 0);
    EXPECT_EQ(count, 1) << int(wanted.vector);
    set_action(wanted.signal, abi::kSignalDefault);
  }
}

TEST_F(SignalFrameTest, FloatingPointTraps) {
  alignas(64) std::byte area[4096];
  i32 code = 0;
  handle(Signal::kFpe, [&](Caught& caught) { code = caught.info.code; });
  const auto with = [&](u8 vector, u16 status, u32 mxcsr) {
    platform::fpu_area_init(area);
    const u16 control = 0x340;  // nothing masked
    std::memcpy(area, &control, sizeof control);
    std::memcpy(area + 2, &status, sizeof status);
    std::memcpy(area + kMxcsrAt, &mxcsr, sizeof mxcsr);
    platform::fpu_load(area);
    code = 0;
    trap(vector);
    return code;
  };
  EXPECT_EQ(with(16, 0x01, 0x1f80), abi::kFpeInvalid);
  EXPECT_EQ(with(16, 0x04, 0x1f80), abi::kFpeDivide);
  EXPECT_EQ(with(16, 0x08, 0x1f80), abi::kFpeOverflow);
  EXPECT_EQ(with(16, 0x10, 0x1f80), abi::kFpeUnderflow);
  EXPECT_EQ(with(16, 0x20, 0x1f80), abi::kFpeInexact);
  EXPECT_EQ(with(19, 0, 0x1d80 | 0x04), abi::kFpeDivide);
  EXPECT_EQ(with(19, 0, 0x1f80 | 0x04), 0) << "masked, so it was none";
  set_action(Signal::kFpe, abi::kSignalDefault);
}

}  // namespace
}  // namespace narwhal
