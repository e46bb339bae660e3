#include "kernel/platform/process/cpu.h"

#include <cstddef>

#include "kernel/base/panic.h"
#include "kernel/platform/context.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/events.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/host_process.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/process/signals.h"
#include "kernel/platform/process/time.h"
#include "kernel/platform/rewrite/call_ways.h"

extern "C" {
// Looked at by user_copy.S. The host's kernel, not we, has SMAP.
constinit bool narwhal_has_smap = false;
void narwhal_signal_entry();
void narwhal_signal_return();
extern const char kernel_text_start[], kernel_text_end[];
}

namespace narwhal {

// Assembly knows these.
static_assert(offsetof(CpuLocal, self) == 0);
static_assert(offsetof(CpuLocal, current) == 24);
static_assert(offsetof(CpuLocal, interrupts_on) == 56);
static_assert(offsetof(CpuLocal, interrupts_pending) == 60);
static_assert(offsetof(CpuLocal, user_gs_base) == 64);
static_assert(offsetof(CpuLocal, user_fs_base) == 72);
static_assert(sizeof(CpuLocal) == 80 && process_home::kMostCpus == 16 &&
              host::kThreadSegment == 0x63);
static_assert(offsetof(UserRegs, rdi) == 112 && offsetof(UserRegs, orig_rax) == 120 &&
              offsetof(UserRegs, rip) == 128 && sizeof(UserRegs) == 168);

namespace process_home {

constinit CpuLocal cpu_blocks[kMostCpus];

namespace {

// Signals that would end this process, besides those that have a meaning here (signal(7)); and
// those that come from a terminal.
constexpr u8 kEnding[] = {1,  2,  3,  6,  10, 12, 15, 16, 20, 21, 22, 24, 25, 26, 27, 30, 32,
                          33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49,
                          50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64};

void install(int signal) {
  // No mask and SA_NODEFER: the host changes nothing that we would have to undo, so that a handler
  // need not return. What must not come, the flag in CpuLocal holds back. But of interrupts there
  // is one at a time, and who does not return from it lets the next come
  // (narwhal_interrupt_from_user). They may come faster than a handler gets to its end, and would
  // fill the signal stack; and one that comes on top of another finds the kernel, not the program,
  // and is noted for a way out which that other one may not take.
  // Of host processes, SIGCHLD tells the end only, and not that somebody stopped one.
  constexpr u64 kNoChildStop = 1, kSigInfo = 4, kRestorer = 0x04000000, kOnStack = 0x08000000,
                kNoDefer = 0x40000000;
  const bool interrupts = kInterruptSet & host::signal_bit(signal);
  const host::SignalAction action{
      reinterpret_cast<void (*)(int, void*, void*)>(narwhal_signal_entry),
      kNoChildStop | kSigInfo | kRestorer | kOnStack | (interrupts ? 0 : kNoDefer),
      narwhal_signal_return, interrupts ? kInterruptSet : 0};
  if (!host::set_action(signal, action).ok()) panic("the host takes no signal handler");
}

}  // namespace

void set_interrupt_stack(u64 top) {
  cpu_local().kernel_stack_top = top;
}

void cpu_init() {
  for (u32 i = 0; i < kMostCpus; ++i) {
    cpu_blocks[i].self = &cpu_blocks[i];
    cpu_blocks[i].index = i;
  }
  asm volatile("wrgsbase %0" ::"r"(&cpu_blocks[0]) : "memory");
  host_processes_init();
  for (const int signal : {kSigIll, kSigTrap, kSigBus, kSigFpe, kSigSegv, kSigSys, kSigIo,
                           kCallSignal, HostSignal{kTimerSignal}, HostSignal{host::kChildEnded}})
    install(signal);
  // A stream whose reader is gone is an error of write(2).
  const host::SignalAction ignore{reinterpret_cast<void (*)(int, void*, void*)>(1), 0, nullptr, 0};
  host::set_action(kSigPipe, ignore).ignore();
  // Whoever started us tells by the control channel what the program shall hear of. Other signals
  // would end us without a word to the program: a service manager sends SIGTERM to all processes
  // that it finds. Started by hand, we are ended by Ctrl-C.
  if (boot_state.control_fd >= 0)
    for (const int signal : kEnding) host::set_action(signal, ignore).ignore();
  host::unblock_all_signals();
}

void clear_program_half() {
  // From the first page on, where the host keeps none: what it placed there (our file's own
  // mappings, stack, vDSO) is used no more.
  const u64 window = boot_state.window_base;
  if (!host::unmap(kUserMin.value, window - kUserMin.value).ok() ||
      !host::unmap(window_end(), kUserEnd.value - window_end()).ok())
    panic("the host keeps something in the program's half");
}

void dispatch_system_calls() {
  call_ways.counted = true;
  const u64 start = reinterpret_cast<u64>(kernel_text_start);
  const u64 size = u64(kernel_text_end - kernel_text_start);
  if (!host::dispatch_system_calls(start, size).ok())
    panic("the host has no Syscall User Dispatch (Linux 5.11 or later)");
}

void run_interrupts(bool user_mode) {
  CpuLocal& cpu = cpu_local();
  for (;;) {
    // The signal's handler sets bits between any two instructions.
    const u32 pending = __atomic_exchange_n(&cpu.interrupts_pending, 0, __ATOMIC_SEQ_CST);
    if (pending == 0) return;
    ++cpu.interrupt_depth;
    if (pending & kTimerPending) timer_interrupt(user_mode);
    if (pending & kInputPending) hear_signals();
    --cpu.interrupt_depth;
  }
}

}  // namespace process_home

void platform::take_pending_interrupts() {
  CpuLocal& cpu = cpu_local();
  do {
    __atomic_store_n(&cpu.interrupts_on, 0, __ATOMIC_SEQ_CST);
    process_home::run_interrupts(false);
    __atomic_store_n(&cpu.interrupts_on, 1, __ATOMIC_SEQ_CST);
  } while (__atomic_load_n(&cpu.interrupts_pending, __ATOMIC_SEQ_CST) != 0);
}

}  // namespace narwhal
