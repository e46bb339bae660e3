// ptrace(2): the tracer's requests. What the traced task does is in process/ptrace.cc.
#include "process/ptrace.h"

#include <cstring>

#include "kernel/abi/core.h"
#include "kernel/abi/ptrace.h"
#include "kernel/abi/uio.h"
#include "process/access.h"
#include "process/foreign_memory.h"
#include "process/signals.h"
#include "syscalls/handlers.h"
#include "syscalls/seccomp_option.h"

namespace narwhal {
namespace {

using abi::CoreRegisters;
using Request = abi::PtraceRequest;

constexpr usize kLegacyFloatSize = 512;  // FXSAVE
constexpr usize kFeaturesAt = 464;       // of XCR0 in the extended state: sw_reserved

// Runs `work` while the task is in a stop of the caller's. ESRCH when it is not.
//
// A task in a stop may be awake all the same: it has yet to fall asleep, or a signal woke it and it
// looks whether that ends the stop. Its registers may be touched when it sleeps, which is soon.
template <typename Work>
Result<> while_stopped(Task& tracer, Task& task, Work work) {
  constexpr u64 kPause = 20 * kNanosPerMicro;
  const TraceState& trace = task.trace;
  for (;;) {
    {
      SpinGuard guard(thread_list_lock);
      if (trace.tracer != &tracer.process() || !trace.stopped.load() || trace.listening)
        return Errno::kSrch;
      if (task.state() == ThreadState::kSleeping) {
        task.user_registers_change();
        return work();
      }
    }
    prepare_to_sleep();
    sleep_until(platform::monotonic_ns() + kPause, Interruptible::kNo).ignore();
  }
}

// --- registers

CoreRegisters registers_of(Task& task) {
  CoreRegisters out{};
  std::memcpy(&out, &task.user_regs(), sizeof(UserRegs));
  out.fs_base = task.user_context()->fs_base;
  out.gs_base = task.user_context()->gs_base;
  return out;
}

// Segments and the system's flags stay as they are.
Result<> set_registers(Task& task, const CoreRegisters& from) {
  if (from.fs_base >= kUserEnd.value || from.gs_base >= kUserEnd.value) return Errno::kIo;
  UserRegs& regs = task.user_regs();
  std::memcpy(&regs, &from, sizeof regs);
  platform::user_regs_sanitize(regs);
  task.user_context()->fs_base = from.fs_base;
  task.user_context()->gs_base = from.gs_base;
  return {};
}

Result<CoreRegisters> load_registers(Task& tracer, Task& task) {
  CoreRegisters out{};
  TRY(while_stopped(tracer, task, [&]() -> Result<> {
    out = registers_of(task);
    return {};
  }));
  return out;
}

Result<> store_registers(Task& tracer, Task& task, const CoreRegisters& registers) {
  return while_stopped(tracer, task, [&] { return set_registers(task, registers); });
}

// --- addresses to watch

constexpr u64 kStatusRegister = 6, kControlRegister = 7;

// What DR7 says of address `i`, and of what kind.
Result<> check_watch(const DebugRegisters& debug, u32 i) {
  constexpr u64 kOfPorts = 2;
  const u64 field = debug.control >> (16 + 4 * i);
  const u64 kind = field & 3, length = field >> 2 & 3;
  if (!debug.enabled(i)) return {};
  if (kind == kOfPorts || (kind == 0 && length != 0)) return Errno::kInval;
  // The lengths are 1, 2, 8 and 4.
  constexpr u64 kSpan[] = {0, 1, 7, 3};
  if ((debug.address[i] & kSpan[length]) != 0) return Errno::kInval;
  if (i >= platform::debug_register_count()) return Errno::kNoSpc;
  return {};
}

Result<> set_debug_register(Task& task, u64 number, u64 word) {
  DebugRegisters& debug = task.user_context()->debug;
  DebugRegisters changed = debug;
  if (number < std::size(debug.address)) {
    if (word >= kUserEnd.value) return Errno::kInval;
    changed.address[number] = word;
    TRY(check_watch(changed, u32(number)));
  } else if (number == kStatusRegister) {
    changed.status = word ^ abi::kDebugStatusFixed;
  } else if (number == kControlRegister) {
    changed.control = word;
    for (u32 i = 0; i < std::size(debug.address); ++i) TRY(check_watch(changed, i));
  } else {
    return Errno::kIo;
  }
  debug = changed;
  return {};
}

u64 debug_register(const DebugRegisters& debug, u64 number) {
  if (number < std::size(debug.address)) return debug.address[number];
  if (number == kStatusRegister) return debug.status ^ abi::kDebugStatusFixed;
  return number == kControlRegister ? debug.control : 0;
}

// A word of struct user: registers are there, the rest reads as zero.
SysResult peek_user(Task& tracer, Task& task, u64 offset, UserAddr to) {
  if (offset % 8 != 0 || offset >= abi::kUserSize) return Errno::kIo;
  const CoreRegisters registers = TRY(load_registers(tracer, task));
  u64 word = 0;
  if (offset < sizeof registers)
    std::memcpy(&word, reinterpret_cast<const std::byte*>(&registers) + offset, sizeof word);
  if (offset >= abi::kUserDebugRegisters) {
    TRY(while_stopped(tracer, task, [&]() -> Result<> {
      word = debug_register(task.user_context()->debug, (offset - abi::kUserDebugRegisters) / 8);
      return {};
    }));
  }
  TRY(store_user(to, word));
  return i64{0};
}

SysResult poke_user(Task& tracer, Task& task, u64 offset, u64 word) {
  if (offset % 8 != 0 || offset >= abi::kUserSize) return Errno::kIo;
  CoreRegisters registers = TRY(load_registers(tracer, task));
  if (offset >= sizeof registers) {
    if (offset < abi::kUserDebugRegisters) return Errno::kIo;
    TRY(while_stopped(tracer, task, [&] {
      return set_debug_register(task, (offset - abi::kUserDebugRegisters) / 8, word);
    }));
    return i64{0};
  }
  std::memcpy(reinterpret_cast<std::byte*>(&registers) + offset, &word, sizeof word);
  TRY(store_registers(tracer, task, registers));
  return i64{0};
}

// PTRACE_ARCH_PRCTL: arch_prctl(2) for the task. gdbserver finds threads by it.
SysResult bases(Task& tracer, Task& task, u64 option, UserAddr address) {
  constexpr u64 kSetGs = 0x1001, kSetFs = 0x1002, kGetFs = 0x1003, kGetGs = 0x1004;
  CoreRegisters registers = TRY(load_registers(tracer, task));
  switch (option) {
    case kSetGs:
    case kSetFs:
      if (address.value >= kUserEnd.value) return Errno::kPerm;
      (option == kSetFs ? registers.fs_base : registers.gs_base) = address.value;
      TRY(store_registers(tracer, task, registers));
      return i64{0};
    case kGetFs:
    case kGetGs:
      TRY(store_user(address, option == kGetFs ? registers.fs_base : registers.gs_base));
      return i64{0};
    default:
      return Errno::kInval;
  }
}

// The floating-point state as the CPU saves it.
Result<Vector<std::byte>> load_float(Task& tracer, Task& task, usize size) {
  Vector<std::byte> copy;
  TRY(copy.resize(size));
  TRY(while_stopped(tracer, task, [&]() -> Result<> {
    std::memcpy(copy.data(), task.user_context()->fpu_area, size);
    return {};
  }));
  if (size > kLegacyFloatSize) {
    const u64 features = platform::fpu_feature_mask();
    std::memcpy(&copy[kFeaturesAt], &features, sizeof features);
  }
  return copy;
}

Result<> store_float(Task& tracer, Task& task, UserAddr from, usize size) {
  Vector<std::byte> area = TRY(load_float(tracer, task, platform::fpu_area_size()));
  if (size > area.size()) size = area.size();
  if (platform::copy_from_user(area.data(), from, size) != 0) return Errno::kFault;
  TRY(platform::fpu_area_sanitize(area.data(), area.size()));
  return while_stopped(tracer, task, [&]() -> Result<> {
    std::memcpy(task.user_context()->fpu_area, area.data(), area.size());
    return {};
  });
}

Result<> copy_out(UserAddr to, const void* from, usize size) {
  return platform::copy_to_user(to, from, size) == 0 ? Result<>() : Errno::kFault;
}

// PTRACE_GETREGSET, SETREGSET: an iovec says where, and hears how much it was.
SysResult register_set(Task& tracer, Task& task, u64 type, UserAddr vector, bool set) {
  auto piece = TRY(load_user<abi::IoVec>(vector));
  const usize whole = type == abi::kSetGeneral    ? sizeof(CoreRegisters)
                      : type == abi::kSetFloat    ? kLegacyFloatSize
                      : type == abi::kSetExtended ? platform::fpu_area_size()
                                                  : 0;
  if (whole == 0 || piece.length % 8 != 0) return Errno::kInval;
  const usize size = piece.length < whole ? piece.length : whole;
  const UserAddr at(piece.base);
  if (type == abi::kSetGeneral) {
    CoreRegisters registers = TRY(load_registers(tracer, task));
    if (set) {
      if (platform::copy_from_user(&registers, at, size) != 0) return Errno::kFault;
      TRY(store_registers(tracer, task, registers));
    } else {
      TRY(copy_out(at, &registers, size));
    }
  } else if (set) {
    TRY(store_float(tracer, task, at, size));
  } else {
    const auto bytes = TRY(load_float(tracer, task, whole));
    TRY(copy_out(at, bytes.data(), size));
  }
  piece.length = size;
  TRY(store_user(vector, piece));
  return i64{0};
}

// --- memory

SysResult peek(Task& task, UserAddr address, UserAddr to) {
  auto memory = task.memory_copy();
  u64 word = 0;
  if (!memory || read_by_force(*memory, address, std::as_writable_bytes(std::span(&word, 1))) != 8)
    return Errno::kIo;
  TRY(store_user(to, word));
  return i64{0};
}

SysResult poke(Task& task, UserAddr address, u64 word) {
  auto memory = task.memory_copy();
  if (!memory || write_by_force(*memory, address, std::as_bytes(std::span(&word, 1))) != 8)
    return Errno::kIo;
  return i64{0};
}

// --- what the stop is about

SysResult syscall_info(Task& tracer, Task& task, usize room, UserAddr to) {
  abi::PtraceSyscallInfo info{};
  usize size = offsetof(abi::PtraceSyscallInfo, entry);
  TRY(while_stopped(tracer, task, [&]() -> Result<> {
    const UserRegs& regs = task.user_regs();
    info.op = task.trace.call;
    info.arch = abi::kAuditArchX86_64;
    info.instruction = regs.rip;
    info.stack = regs.rsp;
    if (info.op == 1) {
      info.entry.number = regs.orig_rax;
      const u64 arguments[] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
      std::memcpy(info.entry.arguments, arguments, sizeof arguments);
      size = sizeof info;
    } else if (info.op == 2) {
      constexpr i64 kLowestError = -4095;
      info.exit.result = i64(regs.rax);
      info.exit.is_error = info.exit.result < 0 && info.exit.result >= kLowestError;
      size = offsetof(abi::PtraceSyscallInfo, exit.is_error) + 1;
    }
    return {};
  }));
  TRY(copy_out(to, &info, room < size ? room : size));
  return i64(size);
}

SysResult get_signal_info(Task& tracer, Task& task, UserAddr to) {
  abi::SignalInfo info{};
  TRY(while_stopped(tracer, task, [&]() -> Result<> {
    // A stop of the whole process has none.
    if (task.trace.group_stop && !task.trace.seized) return Errno::kInval;
    info = task.trace.info;
    return {};
  }));
  TRY(copy_out(to, &info, sizeof info));
  return i64{0};
}

SysResult peek_signals(Task& task, UserAddr arguments, UserAddr to) {
  const auto wanted = TRY(load_user<abi::PtracePeekSignals>(arguments));
  if ((wanted.flags & ~abi::kPeekShared) || wanted.count < 0) return Errno::kInval;
  for (i32 i = 0; i < wanted.count; ++i) {
    abi::SignalInfo info;
    const u64 index = wanted.offset + u64(i);
    if (index < wanted.offset || !peek_signal(task, wanted.flags & abi::kPeekShared, index, info))
      return i64{i};
    if (!copy_out(to + u64(i) * sizeof info, &info, sizeof info).ok())
      return i != 0 ? SysResult(i64{i}) : Errno::kFault;
  }
  return i64{wanted.count};
}

SysResult signal_mask(Task& tracer, Task& task, usize size, UserAddr at, bool set) {
  if (size != sizeof(u64)) return Errno::kInval;
  u64 bits = set ? TRY(load_user<u64>(at)) : 0;
  TRY(while_stopped(tracer, task, [&]() -> Result<> {
    if (!set) bits = task.signals.blocked.bits;
    return {};
  }));
  if (set)
    set_blocked(task, SignalSet{bits});
  else
    TRY(store_user(at, bits));
  return i64{0};
}

// --- beginning and end

// What is stopped with its process goes over to a stop of the tracer's at once: the tracer need not
// wait(2) for it first.
void await_stop(Task& tracer, Task& task) {
  ScopedWait stop(tracer.process().child_events, PollEvents::kAll);
  ScopedWait end(Family::continued(task.process()), PollEvents::kAll);
  for (;;) {
    prepare_to_sleep();
    if (task.trace.stopped.load() || !task.process().stopped() || task.ending() ||
        has(tracer.user_work(), UserWork::kExit))
      break;
    sleep(Interruptible::kNo).ignore();
  }
  cancel_sleep();
}

SysResult attach(Task& tracer, Task& task, bool seize, u64 address, u64 options) {
  if (seize && (address != 0 || options & ~u64{ptrace::kAllOptions})) return Errno::kIo;
  if (&task.process() == &tracer.process()) return Errno::kPerm;
  if (!may_inspect(tracer, task)) return Errno::kPerm;
  bool is_stopped;
  {
    SpinGuard guard(thread_list_lock);
    is_stopped = task.process().stopped() &&
                 (task.trace.in_stop.load() || task.state() != ThreadState::kSleeping);
    TRY(ptrace::attach(tracer.process(), task, seize, u32(options)));
    if (!seize) send_signal_locked(task.process(), &task, kernel_signal(Signal::kStop)).ignore();
  }
  if (is_stopped) await_stop(tracer, task);
  // A debugger knows the program by its code.
  if (const auto memory = task.memory_copy()) memory->keep_calls();
  return i64{0};
}

SysResult trace_me(Task& task) {
  {
    SpinGuard guard(thread_list_lock);
    Process* parent = Family::parent(task.process());
    if (!parent) return Errno::kPerm;
    TRY(ptrace::attach(*parent, task, false, 0));
  }
  task.memory().keep_calls();
  return i64{0};
}

SysResult send_on(Task& tracer, Task& task, u64 signal, ptrace::Resume how) {
  constexpr u64 kLastSignal = 64;
  if (signal > kLastSignal) return Errno::kIo;
  how.signal = i32(signal);
  SpinGuard guard(thread_list_lock);
  if (task.trace.tracer != &tracer.process() || !task.trace.stopped.load()) return Errno::kSrch;
  if (task.trace.listening && !how.detach) return Errno::kSrch;
  ptrace::resume(task, how);
  return i64{0};
}

SysResult request_of_stopped(Task& tracer, Task& task, Request request, UserAddr address,
                             UserAddr data) {
  switch (request) {
    case Request::kPeekText:
    case Request::kPeekData:
      return peek(task, address, data);
    case Request::kPokeText:
    case Request::kPokeData:
      return poke(task, address, data.value);
    case Request::kPeekUser:
      return peek_user(tracer, task, address.value, data);
    case Request::kPokeUser:
      return poke_user(tracer, task, address.value, data.value);
    case Request::kArchPrctl:
      return bases(tracer, task, data.value, address);
    case Request::kGetRegs:
      TRY(store_user(data, TRY(load_registers(tracer, task))));
      return i64{0};
    case Request::kSetRegs:
      TRY(store_registers(tracer, task, TRY(load_user<CoreRegisters>(data))));
      return i64{0};
    case Request::kGetFpRegs: {
      const auto bytes = TRY(load_float(tracer, task, kLegacyFloatSize));
      TRY(copy_out(data, bytes.data(), bytes.size()));
      return i64{0};
    }
    case Request::kSetFpRegs:
      TRY(store_float(tracer, task, data, kLegacyFloatSize));
      return i64{0};
    case Request::kGetRegisterSet:
    case Request::kSetRegisterSet:
      return register_set(tracer, task, address.value, data, request == Request::kSetRegisterSet);
    case Request::kSetOptions:
      if (data.value & ~u64{ptrace::kAllOptions}) return Errno::kInval;
      TRY(while_stopped(tracer, task, [&]() -> Result<> {
        task.trace.options = u32(data.value);
        return {};
      }));
      return i64{0};
    case Request::kGetEventMessage:
      TRY(store_user(data, task.trace.message));
      return i64{0};
    case Request::kGetSignalInfo:
      return get_signal_info(tracer, task, data);
    case Request::kPeekSignalInfo:
      return peek_signals(task, address, data);
    case Request::kSetSignalInfo: {
      abi::SignalInfo info;
      if (platform::copy_from_user(&info, data, sizeof info) != 0) return Errno::kFault;
      TRY(while_stopped(tracer, task, [&]() -> Result<> {
        task.trace.info = info;
        return {};
      }));
      return i64{0};
    }
    case Request::kGetSignalMask:
    case Request::kSetSignalMask:
      return signal_mask(tracer, task, address.value, data, request == Request::kSetSignalMask);
    case Request::kSeccompGetFilter:
      return filter_of_tracee(tracer, task, address.value, data);
    case Request::kSeccompGetMetadata:
      return filter_metadata(tracer, task, address.value, data);
    case Request::kGetSyscallInfo:
      return syscall_info(tracer, task, address.value, data);
    case Request::kListen:
      TRY(while_stopped(tracer, task, [&]() TA_NO_ANALYSIS { return ptrace::listen(task); }));
      return i64{0};
    default:
      return Errno::kIo;
  }
}

}  // namespace

SysResult sys::ptrace(Task& task, i64 request, Pid pid, UserAddr address, UserAddr data) {
  const auto wanted = Request(u32(request));
  if (wanted == Request::kTraceMe) return trace_me(task);
  auto target = find_task(u32(pid.value));
  if (!target) return Errno::kSrch;
  switch (wanted) {
    case Request::kAttach:
      return attach(task, *target, false, 0, 0);
    case Request::kSeize:
      return attach(task, *target, true, address.value, data.value);
    case Request::kContinue:
      return send_on(task, *target, data.value, {});
    case Request::kSyscall:
      return send_on(task, *target, data.value, {.calls = true});
    case Request::kSingleStep:
      return send_on(task, *target, data.value, {.step = true});
    case Request::kDetach:
      return send_on(task, *target, data.value, {.detach = true});
    case Request::kKill:
    case Request::kInterrupt: {
      SpinGuard guard(thread_list_lock);
      if (target->trace.tracer != &task.process()) return Errno::kSrch;
      if (wanted == Request::kKill) {
        send_signal_locked(target->process(), nullptr, kernel_signal(Signal::kKill)).ignore();
        return i64{0};
      }
      if (!target->trace.seized) return Errno::kIo;
      ptrace::interrupt(*target);
      return i64{0};
    }
    default:
      break;
  }
  TRY(while_stopped(task, *target, []() -> Result<> { return {}; }));
  return request_of_stopped(task, *target, wanted, address, data);
}

}  // namespace narwhal
