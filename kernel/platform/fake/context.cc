// Contexts on the host: stacks are really switched, and the sanitizers are told of it.
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>

#include <cstring>

#include "kernel/base/panic.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/fpu_layout.h"
#include "kernel/platform/fake/state.h"
#include "kernel/platform/upcalls.h"

namespace narwhal {

extern "C" void narwhal_fake_switch(void** from_stack, void* to_stack);
extern "C" void narwhal_fake_start();

// Callee-saved registers are pushed, the stack pointer changes hands, and the other's are popped.
asm(R"(
  .text
  .globl narwhal_fake_switch
  .type narwhal_fake_switch, @function
narwhal_fake_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size narwhal_fake_switch, . - narwhal_fake_switch
  .globl narwhal_fake_start
  .type narwhal_fake_start, @function
narwhal_fake_start:
  xorl %ebp, %ebp
  andq $-16, %rsp  # as the ABI has it: tests run on threads, too, and use vector registers
  movq %r12, %rdi
  call narwhal_fake_begin
  ud2
  .size narwhal_fake_start, . - narwhal_fake_start
)");

namespace {

// KernelContext::stack_pointer points at one of these: at the top of the stack that it describes.
struct Fiber {
  void* stack_pointer;
  void* lowest;
  usize size;
  void* sanitizer_stack;
  void (*entry)(void*);
  void* argument;
};

Fiber main_fiber;
Fiber* current_fiber = nullptr;

Fiber* running_fiber() {
  if (!current_fiber) {
    pthread_attr_t attributes;
    ASSERT(pthread_getattr_np(pthread_self(), &attributes) == 0);
    ASSERT(pthread_attr_getstack(&attributes, &main_fiber.lowest, &main_fiber.size) == 0);
    pthread_attr_destroy(&attributes);
    current_fiber = &main_fiber;
  }
  return current_fiber;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NARWHAL_SANITIZED 1
#endif
#endif

void switch_fiber(Fiber* to, bool forget_this) {
  Fiber* from = running_fiber();
  current_fiber = to;
#ifdef NARWHAL_SANITIZED
  __sanitizer_start_switch_fiber(forget_this ? nullptr : &from->sanitizer_stack, to->lowest,
                                 to->size);
#else
  static_cast<void>(forget_this);
#endif
  narwhal_fake_switch(&from->stack_pointer, to->stack_pointer);
#ifdef NARWHAL_SANITIZED
  __sanitizer_finish_switch_fiber(current_fiber->sanitizer_stack, nullptr, nullptr);
#endif
}

Fiber* make_fiber(std::byte* top, usize size, void (*entry)(void*), void* argument) {
  // The program's registers stay as they are, at the very top.
  auto* fiber = reinterpret_cast<Fiber*>(top - sizeof(UserRegs) - sizeof(Fiber) - 24);
  fiber = reinterpret_cast<Fiber*>(align_down(reinterpret_cast<uptr>(fiber), 16));
  // What narwhal_fake_switch pops: r15, r14, r13, r12, rbx, rbp, and where to go.
  auto* frame = reinterpret_cast<u64*>(fiber) - 8;
  std::memset(frame, 0, 8 * sizeof(u64));
  frame[3] = reinterpret_cast<u64>(fiber);
  frame[6] = reinterpret_cast<u64>(&narwhal_fake_start);
  *fiber = {frame, top - size, size, nullptr, entry, argument};
  return fiber;
}

constexpr usize kStackSize = 16 * kKiB + 256 * kKiB;  // as allocate_kernel_stack() makes them

}  // namespace

extern "C" void narwhal_fake_begin(Fiber* fiber) {
#ifdef NARWHAL_SANITIZED
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
  platform::interrupts_restore(true);
  fiber->entry(fiber->argument);
  panic("the entry of a context returned");
}

namespace platform {

void context_init(KernelContext& context, void* stack_top, void (*entry)(void*), void* argument) {
  Fiber* fiber = make_fiber(static_cast<std::byte*>(stack_top), kStackSize, entry, argument);
  context.stack_pointer = reinterpret_cast<u64>(fiber);
}

void context_switch(KernelContext& from, KernelContext& to) {
  ASSERT(!interrupts_enabled());
  from.stack_pointer = reinterpret_cast<u64>(running_fiber());
  switch_fiber(reinterpret_cast<Fiber*>(to.stack_pointer), false);
}

}  // namespace platform

// --- run()

namespace {

struct Run {
  std::function<void()> body;
  Fiber* caller = nullptr;
  fake::RunEnd end = fake::RunEnd::kReturned;
  CpuLocal cpu_before;
};
Run* current_run = nullptr;
u8 last_power_off_status = 0;
std::function<void(UserRegs&)> user_program;

constexpr usize kRunStackSize = 1 * kMiB;

}  // namespace

namespace fake {

RunEnd run(std::function<void()> body) {
  ASSERT(!current_run);
  Run run;
  run.body = std::move(body);
  run.caller = running_fiber();
  current_run = &run;
  auto* stack = static_cast<std::byte*>(platform::allocate_kernel_stack(kRunStackSize).take());
  Fiber* fiber = make_fiber(
      stack + kRunStackSize, kRunStackSize,
      [](void*) {
        current_run->body();
        leave_run(RunEnd::kReturned);
      },
      nullptr);
  switch_fiber(fiber, false);
  current_run = nullptr;
  platform::free_kernel_stack(stack, kRunStackSize);
  // As at boot, for the next one.
  static_cast<void>(platform::interrupts_save_disable());
  fake_cpu_local.interrupt_depth = 0;
  platform::interrupts_restore(true);
  return run.end;
}

void leave_run(RunEnd end) {
  if (!current_run)
    panic(end == RunEnd::kIdle ? "the CPU idles, and nothing will ever wake it"
                               : "the machine ended outside of fake::run()");
  current_run->end = end;
  switch_fiber(current_run->caller, true);
  panic("a context that ended came back");
}

void stop() {
  leave_run(RunEnd::kStopped);
}
u8 power_off_status() {
  return last_power_off_status;
}
void set_power_off_status(u8 status) {
  last_power_off_status = status;
}

void set_user_program(std::function<void(UserRegs&)> program) {
  user_program = std::move(program);
}

i64 user_syscall(UserRegs& regs, u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  regs.rax = regs.orig_rax = number;
  regs.rdi = a;
  regs.rsi = b;
  regs.rdx = c;
  regs.r10 = d;
  regs.r8 = e;
  regs.r9 = f;
  regs.rcx = regs.rip;
  regs.r11 = regs.rflags;
  platform::interrupts_restore(true);
  const bool more = upcall::on_syscall(regs);
  static_cast<void>(platform::interrupts_save_disable());
  if (more) upcall::on_return_to_user(regs);
  platform::interrupts_restore(true);
  return i64(regs.rax);
}

}  // namespace fake

// --- user registers

namespace platform {

namespace {

constexpr u64 kUserCode = 0x33, kUserData = 0x2b;
// Flags that a program may set: the arithmetic ones, trap, direction, alignment check, id.
constexpr u64 kUserFlags = 0x244dd5, kFlagFixed = 2, kFlagInterrupt = 1 << 9;
constexpr usize kFpuAreaSize = 576;
constexpr u32 kMxcsrMask = 0xffff;

u64 live_fs_base = 0, live_gs_base = 0;
alignas(64) std::byte live_fpu[kFpuAreaSize];

Result<> check_base(u64 base) {
  if (base >= kUserEnd.value) return Errno::kPerm;
  return {};
}

}  // namespace

void user_regs_init(UserRegs& regs, UserAddr rip, UserAddr rsp) {
  regs = {};
  regs.orig_rax = ~u64{0};
  regs.rip = rip.value;
  regs.rsp = rsp.value;
  regs.cs = kUserCode;
  regs.ss = kUserData;
  regs.rflags = kFlagFixed | kFlagInterrupt;
}
void user_regs_sanitize(UserRegs& regs) {
  regs.cs = kUserCode;
  regs.ss = kUserData;
  regs.rflags = (regs.rflags & kUserFlags) | kFlagFixed | kFlagInterrupt;
}

void enter_user(UserRegs& regs) {
  ASSERT(user_program);
  for (;;) {
    static_cast<void>(interrupts_save_disable());
    upcall::on_return_to_user(regs);
    interrupts_restore(true);
    user_program(regs);
  }
}

void user_context_switch(UserContext* from, UserContext* to, void* kernel_stack_top) {
  if (from) {
    from->fs_base = live_fs_base;
    from->gs_base = live_gs_base;
    if (from->fpu_area) fpu_save(from->fpu_area);
  }
  if (!to) return;
  live_fs_base = to->fs_base;
  live_gs_base = to->gs_base;
  if (to->fpu_area) fpu_load(to->fpu_area);
  fake_cpu_local.kernel_stack_top = reinterpret_cast<u64>(kernel_stack_top);
}

usize fpu_area_size() {
  return kFpuAreaSize;
}
u64 fpu_feature_mask() {
  return 3;
}
usize fpu_layout(std::span<FpuComponent>) {
  return 0;
}
void fpu_area_init(std::byte* area) {
  std::memset(area, 0, kFpuAreaSize);
  const u16 control = 0x37f;
  const u32 mxcsr = 0x1f80;
  std::memcpy(area, &control, sizeof control);
  std::memcpy(area + 24, &mxcsr, sizeof mxcsr);
}
void fpu_save(std::byte* area) {
  std::memcpy(area, live_fpu, kFpuAreaSize);
}
void fpu_load(const std::byte* area) {
  std::memcpy(live_fpu, area, kFpuAreaSize);
}
Result<> fpu_area_sanitize(std::byte* area, usize size) {
  if (size < kFpuAreaSize) return Errno::kInval;
  u32 mxcsr;
  std::memcpy(&mxcsr, area + 24, sizeof mxcsr);
  mxcsr &= kMxcsrMask;
  std::memcpy(area + 24, &mxcsr, sizeof mxcsr);
  u64 present;
  std::memcpy(&present, area + 512, sizeof present);
  present &= fpu_feature_mask();
  std::memcpy(area + 512, &present, sizeof present);
  std::memset(area + 520, 0, 56);
  return {};
}

Result<> set_fs_base(u64 base) {
  TRY(check_base(base));
  live_fs_base = base;
  return {};
}
Result<> set_gs_base(u64 base) {
  TRY(check_base(base));
  live_gs_base = base;
  return {};
}
void time_stamp_rule_load(const UserContext&) {}
u32 debug_register_count() {
  return 4;
}
void debug_registers_load(const DebugRegisters&) {}
u64 fs_base() {
  return live_fs_base;
}
u64 gs_base() {
  return live_gs_base;
}

}  // namespace platform
}  // namespace narwhal
