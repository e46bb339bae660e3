// Two programs in ring 3, side by side, and the kernel that serves them.
#include <cstring>

#include "kernel/arch/x86_64/msr.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/selftest/calls.h"
#include "kernel/platform/selftest/selftest.h"
#include "kernel/platform/upcalls.h"
#include "kernel/platform/user_copy.h"
#include "kernel/sched/thread.h"

extern "C" const char selftest_user_start[], selftest_user_end[];

namespace narwhal::selftest {

namespace {

constexpr Protection kReadWrite = Protection::kRead | Protection::kWrite;

class Program final : public Thread {
 public:
  explicit Program(u64 identity) : Thread("program"), identity_(identity) {}

  void prepare() {
    space_ = Pmap::create().take();
    pmap_ = space_.get();
    const PhysAddr code = allocate_frames(0, FrameContent::kZeroed).take();
    const usize size = usize(selftest_user_end - selftest_user_start);
    CHECK(size <= kPageSize);
    std::memcpy(platform::direct_map(code), selftest_user_start, size);
    CHECK(space_->map(UserAddr(USER_CODE), code, 1, Protection::kRead | Protection::kExecute).ok());
    const PhysAddr stack = allocate_frames(1, FrameContent::kZeroed).take();
    CHECK(space_->map(UserAddr(USER_STACK_BOTTOM), stack, 2, kReadWrite).ok());
    user_.fpu_area = static_cast<std::byte*>(heap_allocate_aligned(platform::fpu_area_size(), 64));
    CHECK(user_.fpu_area);
    platform::fpu_area_init(user_.fpu_area);
    user_context_ = &user_;
    CHECK(allocate_stack().ok());
    // Set before the thread starts, as clone(2) does.
    platform::user_regs_init(user_regs(), UserAddr(USER_CODE), UserAddr(USER_STACK_TOP));
    start([](void* self) { platform::enter_user(static_cast<Program*>(self)->user_regs()); }, this);
  }

  u64 identity() const { return identity_; }
  Pmap& space() { return *space_; }

  u8 last_vector = 0xff;
  u64 clock_start = 0;

 private:
  u64 identity_;
  Own<Pmap> space_;
  UserContext user_;
};

constinit u32 programs_running = 0;
constinit void (*all_done)() = nullptr;

Program& current() {
  return *static_cast<Program*>(current_thread());
}

void trapped(u8 vector, UserRegs& regs) {
  current().last_vector = vector;
  regs.rip = regs.r15;
  regs.rflags &= ~x86::kFlagTrap;
}

i64 call(UserRegs& regs) {
  switch (regs.orig_rax) {
    case CALL_NULL:
      return 0;
    case CALL_FAIL:
      fail("the program found an error at the place given as line", int(regs.rdi));
    case CALL_CHECK_TRAP:
      if (current().last_vector != regs.rdi) fail("another trap than expected", int(regs.rdi));
      current().last_vector = 0xff;
      ++checks;
      return 0;
    case CALL_REPLACE_FRAME: {
      const u64 rip = regs.rdi, rsp = regs.rsp;
      platform::user_regs_init(regs, UserAddr(rip), UserAddr(rsp));
      regs.rbx = 0x4001;
      regs.rcx = 0x4002;
      regs.r11 = 0x4003;
      regs.r12 = 0x4004;
      regs.rbp = 0x4005;
      return 0x4006;
    }
    case CALL_READ_MEMORY: {
      // From an odd address, with alignment checks on in the program.
      u64 value;
      return i64(platform::copy_from_user(&value, UserAddr(USER_STACK_BOTTOM + 1), sizeof value));
    }
    case CALL_WRITE_MEMORY: {
      const u64 value = 0x77;
      return i64(platform::copy_to_user(UserAddr(USER_DEMAND + 0x3000), &value, sizeof value));
    }
    case CALL_SET_BASES: {
      const u64 values[2] = {0x66, 0x67};
      CHECK(platform::copy_to_user(UserAddr(USER_DEMAND + 0x100), values, sizeof values) == 0);
      CHECK(platform::set_fs_base(USER_DEMAND + 0x100).ok());
      CHECK(platform::set_gs_base(USER_DEMAND + 0x108).ok());
      CHECK(platform::set_gs_base(0xffff'8000'0000'0000).failed(Errno::kPerm));
      CHECK(platform::fs_base() == USER_DEMAND + 0x100);
      CHECK(platform::gs_base() == USER_DEMAND + 0x108);
      return 0;
    }
    case CALL_WHO_AM_I:
      return i64(current().identity());
    case CALL_YIELD:
      yield();
      return 0;
    case CALL_START_CLOCK:
      current().clock_start = platform::monotonic_ns();
      return 0;
    case CALL_STOP_CLOCK: {
      const u64 elapsed = platform::monotonic_ns() - current().clock_start;
      Text<100> text;
      text << "selftest: an empty call takes " << elapsed / regs.rdi << " ns\n";
      platform::console_write(text.view());
      return 0;
    }
    case CALL_DONE:
      if (--programs_running == 0) all_done();
      exit_thread();
  }
  fail("an unknown call", int(regs.orig_rax));
}

}  // namespace

void start_programs(void (*done)()) {
  all_done = done;
  constexpr u64 kIdentities[] = {0x1111'2222'3333'4444, 0x5555'6666'7777'8888};
  programs_running = std::size(kIdentities);
  for (u64 identity : kIdentities) {
    auto program = make_ref<Program>(identity);
    CHECK(program.ok());
    program.value()->prepare();
    static_cast<void>(program.value().release());
  }
}

}  // namespace narwhal::selftest

namespace narwhal::upcall {

bool on_syscall(UserRegs& regs) {
  CHECK(platform::interrupts_enabled());
  CHECK(cpu_local().current == current_thread());
  CHECK(&regs == &current_thread()->user_regs());
  CHECK(regs.cs == x86::kUserCode && regs.ss == x86::kUserData);
  regs.rax = u64(selftest::call(regs));
  static_cast<void>(platform::interrupts_save_disable());
  return cpu_local().need_resched;
}

void on_return_to_user(UserRegs& regs) {
  CHECK(!platform::interrupts_enabled());
  CHECK(&regs == &current_thread()->user_regs());
  reschedule_if_needed();
}

bool on_caught_call(const UserRegs&) {
  return false;
}
StubPlace leave_stub(UserRegs&) {
  return StubPlace::kOutside;
}
void undo_call(const UserRegs&) {}

bool on_page_fault(const PageFault& fault, UserRegs* regs) {
  constexpr u64 kDemandSize = 0x4000;
  if (fault.address.value >= USER_DEMAND && fault.address.value < USER_DEMAND + kDemandSize &&
      !fault.present) {
    const PhysAddr frame = allocate_frames(0, FrameContent::kZeroed).take();
    CHECK(
        selftest::current().space().map(fault.address.page(), frame, 1, selftest::kReadWrite).ok());
    return true;
  }
  if (regs) selftest::trapped(14, *regs);
  return false;
}

void on_user_trap(const UserTrap& trap, UserRegs& regs) {
  selftest::trapped(trap.vector, regs);
}

}  // namespace narwhal::upcall
