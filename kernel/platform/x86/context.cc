#include "kernel/platform/context.h"

#include "kernel/arch/x86_64/msr.h"
#include "kernel/platform/cpu_local.h"

extern "C" {
void narwhal_context_switch(narwhal::KernelContext& from, narwhal::KernelContext& to);
void narwhal_context_start();
// The home's way out.
[[noreturn]] void narwhal_enter_user(narwhal::UserRegs& regs);
}

namespace narwhal {

extern "C" void narwhal_context_begin(void (*entry)(void*), void* argument) {
  platform::interrupts_restore(true);
  entry(argument);
}

namespace platform {
namespace {

constexpr u64 kNonCanonical = u64{1} << 47;

}  // namespace

void context_init(KernelContext& context, void* stack_top, void (*entry)(void*), void* argument) {
  // Below the program's registers, which stay at the top, what narwhal_context_switch pops: r15,
  // r14, r13, r12, rbx, rbp, and its return address.
  u64* frame = reinterpret_cast<u64*>(&user_regs_at(stack_top)) - 8;
  frame[0] = frame[1] = 0;
  frame[2] = reinterpret_cast<u64>(argument);  // r13
  frame[3] = reinterpret_cast<u64>(entry);     // r12
  frame[4] = frame[5] = 0;
  frame[6] = reinterpret_cast<u64>(&narwhal_context_start);
  context.stack_pointer = reinterpret_cast<u64>(frame);
}

void context_switch(KernelContext& from, KernelContext& to) {
  narwhal_context_switch(from, to);
}

void enter_user(UserRegs& regs) {
  narwhal_enter_user(regs);
}

void user_regs_init(UserRegs& regs, UserAddr rip, UserAddr rsp) {
  regs = {};
  regs.orig_rax = ~u64{0};
  regs.rip = rip.value;
  regs.cs = x86::kUserCode;
  regs.rflags = x86::kFlagInterruptEnable | 2;
  regs.rsp = rsp.value;
  regs.ss = x86::kUserData;
}

void user_regs_sanitize(UserRegs& regs) {
  // What a program may choose: the arithmetic flags, direction, trap, resume, alignment check and
  // id.
  constexpr u64 kUserFlags =
      0x0000'0000'0024'0dd5 | x86::kFlagResume | x86::kFlagTrap | x86::kFlagDirection;
  regs.cs = x86::kUserCode;
  regs.ss = x86::kUserData;
  regs.rflags = (regs.rflags & kUserFlags) | x86::kFlagInterruptEnable | 2;
  // iretq to an address that is not canonical would fault in the kernel: one that surely faults in
  // the program instead.
  if (regs.rip >= kNonCanonical) regs.rip = kNonCanonical - 1;
}

}  // namespace platform
}  // namespace narwhal
