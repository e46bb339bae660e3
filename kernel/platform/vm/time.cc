#include "kernel/platform/vm/time.h"

#include <cstring>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/arch/x86_64/msr.h"
#include "kernel/base/log.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/vm/apic.h"
#include "kernel/platform/vm/cpu.h"
#include "kernel/platform/vm/pvclock.h"

namespace narwhal {
namespace vm {
namespace {

constexpr u64 kPitHz = 1'193'182;

constinit platform::LatchedTscClock tsc;
constinit u64 tsc_per_ns_32 = 0;   // time-stamp ticks a ns, 32.32
constinit u64 apic_per_ns_32 = 0;  // APIC timer ticks a ns, 32.32
constinit i64 wall_clock_at_boot = 0;

// Channel 2 of the 8254, which counts down at a fixed rate: gate on, speaker off.
void pit_start() {
  x86::out8(0x61, u8((x86::in8(0x61) & ~3) | 1));
  x86::out8(0x43, 0xb0);  // channel 2, both bytes, mode 0
  x86::out8(0x42, 0xff);
  x86::out8(0x42, 0xff);
}
u16 pit_read() {
  x86::out8(0x43, 0x80);  // latch channel 2
  const u8 low = x86::in8(0x42);
  return u16(low | x86::in8(0x42) << 8);
}

struct Sample {
  u64 tsc;
  u32 apic;
  u16 pit;
};
// Both counters as close together as they can be read: the try that took least time counts.
Sample sample() {
  Sample best{};
  u64 least = ~u64{0};
  for (int i = 0; i < 5; ++i) {
    const u64 before = x86::read_tsc_ordered();
    const u16 pit = pit_read();
    const u64 after = x86::read_tsc_ordered();
    if (after - before >= least) continue;
    least = after - before;
    best = {before + (after - before) / 2, apic_timer_remaining(), pit};
  }
  return best;
}

// Ticks a second of the time-stamp counter and of the APIC timer, measured against the 8254.
void measure(u64& tsc_hz, u64& apic_hz) {
  constexpr u16 kPitTicks = u16(kPitHz / 200);  // 5 ms
  pit_start();
  apic_timer_start(~0u);
  const Sample first = sample();
  while (u16(first.pit - pit_read()) < kPitTicks) {
  }
  const Sample last = sample();
  apic_timer_start(0);
  const u64 elapsed = u16(first.pit - last.pit);
  if (elapsed == 0) panic("the machine has no 8254 timer to measure the time-stamp counter with");
  tsc_hz = (last.tsc - first.tsc) * kPitHz / elapsed;
  apic_hz = u64{first.apic - last.apic} * kPitHz / elapsed;
}

// KVM's clock, as it stood when it was last read. The host fills it in between two instructions of
// ours.
struct PvClock {
  PvClockTime time{};
  PvClockWall wall{};
};
alignas(64) constinit PvClock pvclock{};

// Whether a hypervisor offers KVM's clock. Where KVM also speaks as another hypervisor, its own
// leaves come later, in steps of 0x100.
bool has_pvclock() {
  constexpr u32 kFirst = 0x40000000, kEnd = 0x40010000, kStep = 0x100;
  constexpr u32 kClockSource2 = 1 << 3;
  if (!cpu_features.hypervisor) return false;
  for (u32 leaf = kFirst; leaf < kEnd; leaf += kStep) {
    const auto base = x86::cpuid(leaf);
    const u32 words[3] = {base.ebx, base.ecx, base.edx};
    if (std::memcmp(words, "KVMKVMKVM\0\0\0", sizeof words) == 0)
      return x86::cpuid(leaf + 1).eax & kClockSource2;
  }
  return false;
}

void read_pvclock() {
  if (!has_pvclock()) return;
  constexpr u64 kEnable = 1;
  const u64 time = platform::direct_map_to_phys(&pvclock.time).value;
  x86::write_msr(x86::kMsrKvmSystemTime, time | kEnable);
  x86::write_msr(x86::kMsrKvmWallClock, platform::direct_map_to_phys(&pvclock.wall).value);
  asm volatile("" ::: "memory");
  // No more changes: what was written is all that is used.
  x86::write_msr(x86::kMsrKvmSystemTime, 0);
}

// Frequency as the hypervisor or CPU says it, 0 when neither does.
u64 told_tsc_hz() {
  if (const u64 hz = pvclock_tsc_hz(pvclock.time); hz != 0) return hz;
  if (cpu_features.hypervisor) {
    const auto base = x86::cpuid(0x40000000);
    if (base.eax >= 0x40000010) {
      if (const u32 khz = x86::cpuid(0x40000010).eax; khz != 0) return u64{khz} * 1000;
    }
  }
  if (x86::cpuid(0).eax >= 0x15) {
    const auto ratio = x86::cpuid(0x15);
    if (ratio.eax != 0 && ratio.ebx != 0 && ratio.ecx != 0)
      return u64{ratio.ecx} * ratio.ebx / ratio.eax;
  }
  return 0;
}

u8 cmos(u8 reg) {
  x86::out8(0x70, reg);
  return x86::in8(0x71);
}
unsigned from_bcd(u8 value, bool binary) {
  return binary ? value : (value & 15) + (value >> 4) * 10;
}

// Days since 1970-01-01 of a date of the Gregorian calendar.
i64 days_since_epoch(i64 year, unsigned month, unsigned day) {
  if (month <= 2) --year;
  const i64 era = year / 400;
  const unsigned in_era = unsigned(year - era * 400);
  const unsigned in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146097 + i64(in_era * 365 + in_era / 4 - in_era / 100 + in_year) - 719468;
}

// Seconds since 1970 of the machine's clock chip.
i64 read_clock() {
  if (cmos(0x0a) == 0xff && cmos(0x0b) == 0xff) return 0;  // there is none
  u8 now[6], again[6];
  constexpr u8 kRegisters[6] = {0, 2, 4, 7, 8, 9};  // second, minute, hour, day, month, year
  bool same = false;
  for (int tries = 0; tries < 100 && !same; ++tries) {
    while (cmos(0x0a) & 0x80) {
    }
    same = true;
    for (int i = 0; i < 6; ++i) now[i] = cmos(kRegisters[i]);
    for (int i = 0; i < 6; ++i) same &= (again[i] = cmos(kRegisters[i])) == now[i];
  }
  const u8 mode = cmos(0x0b);
  const bool binary = mode & 4;
  const bool afternoon = !(mode & 2) && (now[2] & 0x80);
  now[2] &= 0x7f;
  unsigned hour = from_bcd(now[2], binary);
  if (!(mode & 2)) hour = hour % 12 + (afternoon ? 12 : 0);
  const i64 days = days_since_epoch(2000 + from_bcd(now[5], binary), from_bcd(now[4], binary),
                                    from_bcd(now[3], binary));
  return ((days * 24 + hour) * 60 + from_bcd(now[1], binary)) * 60 + from_bcd(now[0], binary);
}

}  // namespace

void time_init() {
  read_pvclock();
  u64 tsc_hz = 0, apic_hz = 0;
  measure(tsc_hz, apic_hz);
  if (const u64 told = told_tsc_hz(); told != 0) tsc_hz = told;
  platform::TscClock clock{};
  clock.set_rate(tsc_hz, kNanosPerSecond);
  clock.base_tsc = x86::read_tsc_ordered();
  tsc.set(clock);
  tsc_per_ns_32 = (tsc_hz << 24) / kNanosPerSecond << 8;
  apic_per_ns_32 = (apic_hz << 24) / kNanosPerSecond << 8;
  if (cpu_features.tsc_deadline) apic_use_tsc_deadline();
  if (pvclock.wall.version != 0)
    wall_clock_at_boot =
        pvclock_wall_ns(pvclock.wall) + i64(pvclock_ns(pvclock.time, clock.base_tsc));
  else
    wall_clock_at_boot = read_clock() * i64(kNanosPerSecond);
}

void time_init_further_cpu() {
  if (cpu_features.tsc_deadline) apic_use_tsc_deadline();
}

}  // namespace vm

u64 platform::monotonic_ns() {
  return vm::tsc.get().ns_at(x86::read_tsc());
}

i64 platform::boot_wall_clock_ns() {
  return vm::wall_clock_at_boot;
}

platform::TscClock platform::tsc_clock() {
  return vm::tsc.get();
}
void platform::set_tsc_clock(const TscClock& clock) {
  vm::tsc.set(clock);
}

// KVM tells the host's wall clock, which is a corrected one; its monotonic time is the bare
// counter's. So monotonic time follows the wall clock here, but where that is set.
bool platform::read_reference_time(ReferenceTime& time) {
  using namespace vm;
  read_pvclock();
  if (pvclock.wall.version == 0) return false;
  time.tsc = x86::read_tsc_ordered();
  time.wall_ns = pvclock_wall_ns(pvclock.wall) + i64(pvclock_ns(pvclock.time, time.tsc));
  time.ns = u64(time.wall_ns);
  time.read_at = time.tsc;
  return true;
}

void platform::set_timer(u64 deadline_ns) {
  using namespace vm;
  const u64 now = monotonic_ns();
  const u64 wait = deadline_ns > now ? deadline_ns - now : 0;
  if (cpu_features.tsc_deadline) {
    u64 ticks = 0;
    if (deadline_ns != kNoDeadline) {
      const auto ahead = (unsigned __int128){wait} * tsc_per_ns_32 >> 32;
      ticks = x86::read_tsc() + u64(ahead) + 1;
    }
    x86::write_msr(x86::kMsrTscDeadline, ticks);
    return;
  }
  if (deadline_ns == kNoDeadline) {
    apic_timer_start(0);
    return;
  }
  // What is too far for the counter comes earlier; the queue of timers then asks again.
  const auto ticks = ((unsigned __int128){wait} * apic_per_ns_32 >> 32) + 1;
  apic_timer_start(ticks > 0xffffffff ? 0xffffffff : u32(ticks));
}

}  // namespace narwhal
