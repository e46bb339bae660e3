// What the CPU reports of the program becomes a signal, as Linux's arch/x86/kernel/traps.c and
// mm/fault.c do it.
#include <cstring>

#include "kernel/base/log.h"
#include "kernel/platform/upcalls.h"
#include "process/out_of_memory.h"
#include "process/signals.h"

namespace narwhal {

namespace {

// Intel SDM vol. 3, table 6-1.
enum Vector : u8 {
  kDivide = 0,
  kDebug = 1,
  kBreakpoint = 3,
  kInvalidOpcode = 6,
  kSegmentOverrun = 9,
  kSegmentNotPresent = 11,
  kStackSegment = 12,
  kPageFault = 14,
  kX87 = 16,
  kAlignment = 17,
  kSimd = 19,
};

abi::SignalInfo fault_signal(Signal signal, i32 code, u64 address) {
  abi::SignalInfo info{};
  info.number = i32(signal);
  info.code = code;
  info.fault.address = address;
  return info;
}

// Which of the exceptions that the program wants to hear of has happened; 0 when none did. The x87
// and SSE units number them alike.
i32 float_code(Task& task, u8 vector) {
  constexpr u32 kInvalid = 0x01, kDenormal = 0x02, kZero = 0x04, kOver = 0x08, kUnder = 0x10,
                kPrecision = 0x20;
  constexpr usize kControlAt = 0, kStatusAt = 2, kMxcsrAt = 24;  // in the FXSAVE area
  const std::byte* area = task.user_context()->fpu_area;
  platform::fpu_save(task.user_context()->fpu_area);
  u32 raised;
  if (vector == kX87) {
    u16 control, status;
    std::memcpy(&control, area + kControlAt, sizeof control);
    std::memcpy(&status, area + kStatusAt, sizeof status);
    raised = u32(status & ~control);
  } else {
    u32 mxcsr;
    std::memcpy(&mxcsr, area + kMxcsrAt, sizeof mxcsr);
    raised = mxcsr & ~(mxcsr >> 7);
  }
  if (raised & kInvalid) return abi::kFpeInvalid;
  if (raised & kZero) return abi::kFpeDivide;
  if (raised & kOver) return abi::kFpeOverflow;
  if (raised & (kUnder | kDenormal)) return abi::kFpeUnderflow;
  if (raised & kPrecision) return abi::kFpeInexact;
  return 0;
}

// The page fault's error code, put together again for the signal frame.
u64 error_code_of(const upcall::PageFault& fault) {
  constexpr u64 kPresent = 1, kWrite = 2, kUser = 4, kFetch = 16;
  return kUser | (fault.present ? kPresent : 0) |
         (fault.access == Protection::kWrite ? kWrite : 0) |
         (fault.access == Protection::kExecute ? kFetch : 0);
}

// A program that dies of a fault leaves a line on the kernel's log that says where, as on Linux; a
// program that makes many such children does not flood it.
constexpr u32 kMostReports = 32;
constinit Atomic<u32> reports{0};

void send_fault(Task& task, const UserRegs& regs, const abi::SignalInfo& info) {
  const auto signal = Signal(info.number);
  const u64 handler = task.process().handlers().get(signal).handler;
  const bool deadly = handler == abi::kSignalDefault || handler == abi::kSignalIgnore ||
                      task.signals.blocked.has(signal);
  if (deadly && reports.fetch_add(1, Order::kRelaxed) < kMostReports) {
    LOG_WARN(task.name() << '[' << task.tid() << "]: " << signal_name(signal) << " by exception "
                         << task.trap_number << ", error code " << hex(task.trap_error)
                         << ", address "
                         << hex(info.code == abi::kCodeKernel ? 0 : info.fault.address) << ", ip "
                         << hex(regs.rip) << ", sp " << hex(regs.rsp));
  }
  force_signal(task, info);
}

// A step, or the use of an address that a debugger watches.
void on_debug_exception(Task& task, UserRegs& regs, u64 status) {
  constexpr u64 kResume = 1 << 16;
  DebugRegisters& debug = task.user_context()->debug;
  u64 hits = 0;
  for (u32 i = 0; i < 4; ++i) {
    if ((status & u64{1} << i) == 0 || !debug.enabled(i)) continue;
    hits |= u64{1} << i;
    // The instruction has not run yet; the next time it is to.
    if (debug.is_instruction(i)) regs.rflags |= kResume;
  }
  const u64 stepped = status & DebugRegisters::kStep;
  if (hits == 0 && stepped == 0 && (status & DebugRegisters::kHits) != 0) {
    // Those of a task that ended on this CPU are still in it.
    InterruptGuard guard;
    platform::debug_registers_load(debug);
    return;
  }
  debug.status = hits | stepped;
  const i32 code = stepped != 0 ? abi::kTrapTrace
                   : hits != 0  ? abi::kTrapHardware
                                : abi::kTrapBreakpoint;
  send_fault(task, regs, fault_signal(Signal::kTrap, code, regs.rip));
}

}  // namespace

bool upcall::on_page_fault(const PageFault& fault, UserRegs* user_regs) {
  Thread* thread = current_thread();
  if (!thread || !thread->user_context()) return false;  // a thread of the kernel's own
  Task& task = static_cast<Task&>(*thread);
  if (!task.memory_ref()) return false;
  const Result<> handled = user_range_ok(fault.address, 1)
                               ? task.memory().handle_fault(fault.address, fault.access)
                               : Result<>(Errno::kFault);
  if (handled.ok()) {
    ++task.minor_faults;
    return true;
  }
  if (handled.failed(Errno::kNoMem)) return make_room_for_fault(task);
  if (!user_regs) return false;
  task.trap_number = kPageFault;
  task.trap_error = error_code_of(fault);
  task.trap_address = fault.address.value;
  // Beyond the end of a file, or in a hole of one on a full file system.
  if (handled.failed(Errno::kIo) || handled.failed(Errno::kNoSpc))
    send_fault(task, *user_regs, fault_signal(Signal::kBus, abi::kBusAddress, fault.address.value));
  else
    send_fault(
        task, *user_regs,
        fault_signal(Signal::kSegv,
                     handled.failed(Errno::kAcces) ? abi::kSegvAccessError : abi::kSegvMapError,
                     fault.address.value));
  return false;
}

void upcall::on_user_trap(const UserTrap& trap, UserRegs& regs) {
  Task& task = current_task();
  task.trap_number = trap.vector;
  task.trap_error = trap.error_code;
  switch (trap.vector) {
    case kDivide:
      send_fault(task, regs, fault_signal(Signal::kFpe, abi::kFpeIntegerDivide, regs.rip));
      return;
    case kDebug:
      on_debug_exception(task, regs, trap.address);
      return;
    case kBreakpoint:
      send_fault(task, regs, kernel_signal(Signal::kTrap));
      return;
    case kInvalidOpcode:
      send_fault(task, regs, fault_signal(Signal::kIll, abi::kIllegalOperand, regs.rip));
      return;
    case kSegmentOverrun:
      send_fault(task, regs, kernel_signal(Signal::kFpe));
      return;
    case kSegmentNotPresent:
    case kStackSegment:
      send_fault(task, regs, kernel_signal(Signal::kBus));
      return;
    case kX87:
    case kSimd:
      // None found: the instruction is tried again, as on Linux.
      if (const i32 code = float_code(task, trap.vector))
        send_fault(task, regs, fault_signal(Signal::kFpe, code, regs.rip));
      return;
    case kAlignment:
      send_fault(task, regs, fault_signal(Signal::kBus, abi::kBusAlignment, 0));
      return;
    default:
      send_fault(task, regs, kernel_signal(Signal::kSegv));
      return;
  }
}

}  // namespace narwhal
