#include "kernel/platform/process/processors.h"

#include "kernel/base/panic.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/cpu.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/host_process.h"
#include "kernel/platform/process/maker.h"
#include "kernel/platform/process/signals.h"
#include "kernel/platform/upcalls.h"
#include "kernel/platform/x86/panic.h"
#include "kernel/sync/kernel_lock.h"

constinit bool narwhal_many_cpus = false;
extern "C" void narwhal_begin_further_cpu();

namespace narwhal {
namespace process_home {
namespace {

constinit KernelLock kernel_lock;

struct alignas(64) Processor {
  Atomic<bool> wanted{false};  // in the kernel
  Atomic<bool> called{false};
  Atomic<bool> idle{false};
};
constinit Processor processors[kMostCpus];
constinit u32 processor_count = 1;

// Who was called and has not answered. There is one call at a time, since whoever asks holds the
// kernel lock.
constinit Atomic<u32> unanswered{0};
// They wait for ever: the kernel has panicked.
constinit Atomic<bool> halted{false};

void send(u32 cpu) {
  const Seat& seat = where(cpu).seats[cpu];
  host::signal_thread(seat.process, seat.thread, kCallSignal);
}

// A CPU whose turn it is soon spins. One that waits for longer sleeps: the one that has the lock
// may be waiting for the host, or for this very processor.
void wait_for_lock(u32& spins) {
  constexpr u32 kMostSpins = 1000;
  __builtin_ia32_pause();
  if (++spins < kMostSpins) return;
  spins = 0;
  kernel_lock.sleep([](u32& word, u32 value) { host::wait(word, value); });
}

// Asks every other CPU, and waits for all of them. Those that have nothing to do come by the lock
// before they do anything.
void ask_others() {
  const u32 me = cpu_local().index;
  for (u32 cpu = 0; cpu < processor_count; ++cpu) {
    if (cpu == me || is_idle(cpu)) continue;
    unanswered.fetch_add(1);
    processors[cpu].called.store(true);
    send(cpu);
  }
  while (unanswered.load(Order::kAcquire) != 0) __builtin_ia32_pause();
}

}  // namespace

u32 running_cpus() {
  return processor_count;
}

void kernel_lock_take() {
  u32 spins = 0;
  kernel_lock.acquire(cpu_local().index + 1, [&] { wait_for_lock(spins); });
}
void kernel_lock_take_if_outside() {
  if (many_cpus() && !kernel_lock.held_by(cpu_local().index + 1)) kernel_lock_take();
}
void kernel_lock_release() {
  if (kernel_lock.release_and_look()) host::wake(kernel_lock.word());
}

void set_idle(bool idle) {
  processors[cpu_local().index].idle.store(idle);
}
bool is_idle(u32 cpu) {
  return processors[cpu].idle.load();
}

bool answer_calls() {
  Processor& me = processors[cpu_local().index];
  if (halted.load())
    for (u32 never = 0;;) host::wait(never, 0);
  // That a signal was taken orders what comes before it and what comes after, and the return from
  // it fetches instructions anew.
  if (me.called.exchange(false)) unanswered.fetch_sub(1);
  return me.wanted.exchange(false);
}

void start_further_cpus() {
  constexpr usize kBootStackSize = 16 * kKiB;
  if (boot_state.cpus == 1) return;
  InterruptGuard no_interrupts;
  narwhal_many_cpus = true;
  kernel_lock_take();
  for (u32 cpu = 1; cpu < boot_state.cpus; ++cpu) {
    const auto stack = platform::allocate_kernel_stack(kBootStackSize);
    if (!stack.ok()) panic("--cpus: each processor needs some more memory");
    // What narwhal_hand_over pops, and its return address, with the stack as a call leaves it.
    u64* const frame = reinterpret_cast<u64*>(stack.value() + kBootStackSize) - 8;
    for (u32 i = 0; i < 6; ++i) frame[i] = 0;
    frame[6] = reinterpret_cast<u64>(&narwhal_begin_further_cpu);
    Seat& seat = host_processes[0].seats[cpu];
    seat.stack = reinterpret_cast<u64>(frame);
    ++processor_count;
    __atomic_store_n(&seat.turn, Seat::kHere, __ATOMIC_SEQ_CST);
    host::wake(seat.turn);
  }
}

}  // namespace process_home

// There will be that many, or an end.
u32 platform::cpu_count() {
  return process_home::boot_state.cpus;
}

// They begin when the process is confined (confine.h): threads inherit what it has given up.
void platform::start_cpus() {}

void platform::interrupt_cpu(u32 cpu) {
  using namespace process_home;
  processors[cpu].wanted.store(true);
  send(cpu);
}

// CPUs in the kernel or idle order memory when they take or gave back the lock.
void platform::synchronize_cpus() {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  InterruptGuard no_interrupts;
  if (process_home::many_cpus()) process_home::ask_others();
}

void x86::halt_other_cpus() {
  using namespace process_home;
  halted.store(true);
  for (u32 cpu = 0; cpu < processor_count; ++cpu)
    if (cpu != cpu_local().index) send(cpu);
}

}  // namespace narwhal

extern "C" void narwhal_kernel_lock_release() {
  narwhal::process_home::kernel_lock_release();
}
extern "C" void narwhal_begin_further_cpu() {
  narwhal::process_home::kernel_lock_take();
  narwhal::upcall::on_cpu_started();
}
