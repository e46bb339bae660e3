// The rest of what a machine gives: time, idling, interrupts, entropy, memory, settings, console,
// power-off.
#pragma once

#include <span>
#include <string_view>

#include "kernel/base/addr.h"
#include "kernel/base/result.h"
#include "kernel/platform/tsc_clock.h"

namespace narwhal::platform {

// --- time
// ---------------------------------------------------------------------------------------------------------
// Nanoseconds since boot; never goes back, the same on every CPU.
u64 monotonic_ns();
// Wall-clock at boot in nanoseconds since 1970, as the machine's clock said.
i64 boot_wall_clock_ns();
// How the vDSO may compute monotonic_ns() from the time-stamp counter. mult == 0 when it may not.
TscClock tsc_clock();
// Replaces it by one that says the same now.
void set_tsc_clock(const TscClock& clock);
// The clocks that the machine's shall follow, read together with the counter: some monotonic time,
// and the wall clock's. False where there is nothing better than the counter.
struct ReferenceTime {
  u64 tsc;
  u64 ns;
  i64 wall_ns;
  u64 read_at;  // the counter afterwards
};
bool read_reference_time(ReferenceTime& time);
// Asks for upcall::on_timer() on this CPU at monotonic time `deadline_ns` or as soon as possible
// after; replaces the request before. kNoDeadline cancels.
inline constexpr u64 kNoDeadline = ~u64{0};
void set_timer(u64 deadline_ns);

// --- CPU
// ----------------------------------------------------------------------------------------------------------
// Sleeps until an interrupt came. Called with interrupts disabled; lets them in and stops in one
// step, so that none is missed; returns with interrupts disabled. Another CPU may be in the kernel
// meanwhile.
void wait_for_interrupt();
// CPUs that run, 1 until start_cpus(). One of them at a time is above the home (upcalls.h).
u32 cpu_count();
// Starts the machine's other CPUs: each calls upcall::on_cpu_started() when this one first leaves
// the kernel. Those that can't be used are left out, with a line in the log.
void start_cpus();
// Makes another CPU come into the kernel, from the program or from wait_for_interrupt().
void interrupt_cpu(u32 cpu);
// Returns when every CPU that runs a program has ordered all its memory accesses and fetched its
// instructions anew (membarrier(2)).
void synchronize_cpus();
// For /proc/cpuinfo and AT_HWCAP.
struct CpuIdentity {
  char vendor[13];
  char brand[49];
  u32 family, model, stepping;
  u64 tsc_khz;
  u32 hwcap;   // CPUID.1:EDX, as Linux passes AT_HWCAP
  u32 hwcap2;  // bit 1: FSGSBASE usable in user mode, as Linux passes AT_HWCAP2
};
const CpuIdentity& cpu_identity();
// Appends Linux's names of the CPU's features, blank-separated, as /proc/cpuinfo's `flags`.
usize cpu_flags(std::span<char> out);

// --- interrupts
// ---------------------------------------------------------------------------------------------------
// Handlers run with interrupts disabled and must be short: note what happened and wake a thread.
using InterruptHandler = void (*)(void* argument);
// A wired line of the interrupt controller (I/O APIC input). ENOSPC, EINVAL.
Result<> register_irq(u32 line, bool level_triggered, bool active_low, InterruptHandler handler,
                      void* argument);
// A message-signalled interrupt: the address and data to program into the device. ENOSPC.
struct MessageInterrupt {
  u64 address;
  u32 data;
};
Result<MessageInterrupt> register_message_irq(InterruptHandler handler, void* argument);

// --- memory
// -------------------------------------------------------------------------------------------------------
struct MemoryRange {
  PhysAddr start;
  u64 size;
};
// Usable RAM at start, without the kernel image and what the loader placed (initial archive, boot
// tables).
std::span<const MemoryRange> usable_memory();
// The initial root archive; size 0 when there is none.
MemoryRange boot_archive();
// Where physical memory can be read and written by the kernel.
std::byte* direct_map(PhysAddr address);
PhysAddr direct_map_to_phys(const void* address);
// Registers of a device, uncached. ENOMEM. Never unmapped.
Result<std::byte*> map_device(PhysAddr address, usize size);
// A kernel stack of `size` bytes with an unmapped guard page below. Returns the lowest usable
// address. ENOMEM.
Result<std::byte*> allocate_kernel_stack(usize size);
void free_kernel_stack(std::byte* lowest, usize size);

// --- the world
// ----------------------------------------------------------------------------------------------------
std::string_view command_line();
// The best entropy at hand (RDSEED, RDRAND, timing): fills `out`, returns how many of the bytes are
// good random bits.
usize hardware_entropy(std::span<std::byte> out);
// The machine's own console (serial port): raw bytes, by polling.
void console_write(std::string_view bytes);
// Bytes typed there: calls `receive` from interrupt context. One listener.
void console_set_receiver(void (*receive)(std::string_view bytes));
// Ends the machine; never returns. `status` is the low seven bits' worth of exit status where the
// machine can carry it.
[[noreturn]] void power_off(u8 status);

}  // namespace narwhal::platform
