// The frame of a handler, exactly as Linux lays it out on x86-64, and its way back.
#include "kernel/abi/signal_frame.h"

#include "kernel/platform/user.h"
#include "process/signal_fpu.h"
#include "process/signals.h"

namespace narwhal {

namespace {

// Below the stack pointer, for functions that call no other (System V ABI, section 3.2.2).
constexpr u64 kRedZone = 128;
constexpr usize kVectorAlignment = 64;
constexpr usize kFrameAlignment = 16;
// Of rflags, what rt_sigreturn takes from the frame: arithmetic, direction, trap, resume, alignment
// check.
constexpr u64 kRestoredFlags = 0x50dd5;
// Cleared for a handler: direction (the ABI wants it so), resume, trap.
constexpr u64 kClearedFlags = 0x10500;

bool within(const abi::SignalStack& stack, u64 stack_pointer) {
  return stack_pointer > stack.base && stack_pointer - stack.base <= stack.size;
}

// Where the two parts of a frame go.
struct Place {
  UserAddr vectors;
  UserAddr frame;
};

Result<Place> find_place(const Task& task, const UserRegs& regs, u64 action_flags) {
  const abi::SignalStack& alternate = task.signals.alternate_stack;
  u64 top = regs.rsp - kRedZone;
  bool on_alternate = on_alternate_stack(task, regs.rsp);
  if ((action_flags & abi::kActionOnStack) && alternate.size != 0 &&
      !on_alternate_stack(task, top)) {
    top = alternate.base + alternate.size;
    on_alternate = true;
  }
  const u64 vectors = align_down(top - signal_fpu::frame_size(), kVectorAlignment);
  // As after a call: the return address is what lies below an aligned stack.
  const u64 frame = align_down(vectors - sizeof(abi::SignalFrame), kFrameAlignment) - 8;
  // An overflow of the alternate stack must not write to what lies below it.
  if (on_alternate && !within(alternate, frame)) return Errno::kFault;
  return Place{UserAddr(vectors), UserAddr(frame)};
}

abi::SigContext to_context(const Task& task, const UserRegs& regs, SignalSet mask,
                           UserAddr vectors) {
  abi::SigContext out{};
  out.r8 = regs.r8;
  out.r9 = regs.r9;
  out.r10 = regs.r10;
  out.r11 = regs.r11;
  out.r12 = regs.r12;
  out.r13 = regs.r13;
  out.r14 = regs.r14;
  out.r15 = regs.r15;
  out.rdi = regs.rdi;
  out.rsi = regs.rsi;
  out.rbp = regs.rbp;
  out.rbx = regs.rbx;
  out.rdx = regs.rdx;
  out.rax = regs.rax;
  out.rcx = regs.rcx;
  out.rsp = regs.rsp;
  out.rip = regs.rip;
  out.rflags = regs.rflags;
  out.cs = u16(regs.cs);
  out.ss = u16(regs.ss);
  out.error = task.trap_error;
  out.trap_number = task.trap_number;
  out.old_mask = mask.bits;
  out.cr2 = task.trap_address;
  out.fpstate = vectors.value;
  return out;
}

void from_context(UserRegs& regs, const abi::SigContext& in) {
  const u64 kept_flags = regs.rflags & ~kRestoredFlags;
  regs.r8 = in.r8;
  regs.r9 = in.r9;
  regs.r10 = in.r10;
  regs.r11 = in.r11;
  regs.r12 = in.r12;
  regs.r13 = in.r13;
  regs.r14 = in.r14;
  regs.r15 = in.r15;
  regs.rdi = in.rdi;
  regs.rsi = in.rsi;
  regs.rbp = in.rbp;
  regs.rbx = in.rbx;
  regs.rdx = in.rdx;
  regs.rax = in.rax;
  regs.rcx = in.rcx;
  regs.rsp = in.rsp;
  regs.rip = in.rip;
  regs.rflags = kept_flags | (in.rflags & kRestoredFlags);
  // It is no system call that goes on: nothing restarts.
  regs.orig_rax = ~u64{0};
  platform::user_regs_sanitize(regs);
  // An address that is none stays: the way back makes a SIGSEGV of it that shows it.
  regs.rip = in.rip;
}

}  // namespace

Result<> push_signal_frame(Task& task, UserRegs& regs, const abi::SignalInfo& info,
                           const abi::SignalAction& action, SignalSet mask_to_restore) {
  // There is no code of the kernel's on the stack to return through.
  if (!(action.flags & abi::kActionRestorer)) return Errno::kFault;
  const Place place = TRY(find_place(task, regs, action.flags));
  TRY(signal_fpu::save(task, place.vectors));

  abi::SignalFrame frame{};
  frame.return_address = action.restorer;
  frame.context.flags = abi::kUcStackSegment | abi::kUcStrictRestore |
                        (signal_fpu::extended() ? abi::kUcExtendedState : 0);
  frame.context.stack = task.signals.alternate_stack;
  frame.context.stack.padding = 0;
  frame.context.registers = to_context(task, regs, mask_to_restore, place.vectors);
  frame.context.mask = mask_to_restore;
  frame.info = info;
  const usize size =
      action.flags & abi::kActionSigInfo ? sizeof frame : sizeof frame - sizeof frame.info;
  if (platform::copy_to_user(place.frame, &frame, size) != 0) return Errno::kFault;
  signal_fpu::reset(task);

  regs.rdi = u64(info.number);
  regs.rsi = place.frame.value + __builtin_offsetof(abi::SignalFrame, info);
  regs.rdx = place.frame.value + __builtin_offsetof(abi::SignalFrame, context);
  regs.rax = 0;  // a handler without a prototype: no vector arguments
  regs.rsp = place.frame.value;
  regs.rip = action.handler;
  regs.rflags &= ~kClearedFlags;
  return {};
}

Result<> pop_signal_frame(Task& task, UserRegs& regs) {
  // The restorer's address was popped when the handler returned.
  const UserAddr context_at(regs.rsp - sizeof(u64) + __builtin_offsetof(abi::SignalFrame, context));
  abi::UContext context;
  if (platform::copy_from_user(&context, context_at, sizeof context) != 0) return Errno::kFault;
  task.restart.resume = nullptr;
  set_blocked(task, context.mask);
  from_context(regs, context.registers);
  TRY(signal_fpu::restore(UserAddr(context.registers.fpstate)));
  // A stack that can't be is no reason to stop here (sigaltstack(2) would tell).
  set_alternate_stack(task, context.stack, regs.rsp).ignore();
  return {};
}

usize signal_frame_size() {
  return align_up(sizeof(abi::SignalFrame) + kFrameAlignment - 1 + signal_fpu::frame_size() +
                      kVectorAlignment - 1,
                  kFrameAlignment);
}

// --- the alternate stack

bool on_alternate_stack(const Task& task, u64 stack_pointer) {
  const abi::SignalStack& stack = task.signals.alternate_stack;
  if (stack.flags & abi::kStackAutoDisarm) return false;
  return within(stack, stack_pointer);
}

Result<> set_alternate_stack(Task& task, const abi::SignalStack& stack, u64 stack_pointer) {
  if (on_alternate_stack(task, stack_pointer)) return Errno::kPerm;
  abi::SignalStack wanted = stack;
  wanted.padding = 0;
  switch (stack.flags & ~abi::kStackAutoDisarm) {
    case abi::kStackDisable:
      wanted.base = 0;
      wanted.size = 0;
      break;
    case abi::kStackOnStack:
    case 0:
      if (stack.size < abi::kMinimumSignalStack) return Errno::kNoMem;
      break;
    default:
      return Errno::kInval;
  }
  task.signals.alternate_stack = wanted;
  return {};
}

abi::SignalStack alternate_stack_status(const Task& task, u64 stack_pointer) {
  abi::SignalStack status = task.signals.alternate_stack;
  const i32 state = status.size == 0                          ? abi::kStackDisable
                    : on_alternate_stack(task, stack_pointer) ? abi::kStackOnStack
                                                              : 0;
  status.flags = state | (status.flags & abi::kStackAutoDisarm);
  return status;
}

}  // namespace narwhal
