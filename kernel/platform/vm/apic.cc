#include "kernel/platform/vm/apic.h"

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/arch/x86_64/msr.h"
#include "kernel/base/log.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/vm/cpu.h"
#include "kernel/platform/vm/trap.h"

namespace narwhal {
namespace vm {
namespace {

// Registers of the local APIC.
constexpr u32 kId = 0x20, kTaskPriority = 0x80, kEoi = 0xb0, kSpurious = 0xf0, kTimer = 0x320,
              kCommandLow = 0x300, kCommandHigh = 0x310, kLint0 = 0x350, kLint1 = 0x360,
              kError = 0x370, kInitialCount = 0x380, kCurrentCount = 0x390, kDivide = 0x3e0;
constexpr u32 kMasked = 1 << 16, kTimerDeadlineMode = 2 << 17, kEnable = 1 << 8, kDivideBy1 = 0xb;
// Interrupt command register.
constexpr u32 kInit = 5 << 8, kStartUp = 6 << 8, kPending = 1 << 12, kAssert = 1 << 14;
constexpr u32 kX2Command = 0x830;
constexpr u64 kApicBaseX2 = 1 << 10, kApicBaseEnable = 1 << 11;

// I/O APICs: one at the usual place, and a second one on machines with many wired devices (QEMU's
// microvm).
constexpr u64 kIoApicBase = 0xfec00000, kIoApicStep = 0x10000;
constexpr u32 kIoApicSelect = 0x00, kIoApicWindow = 0x10, kIoApicVersion = 1,
              kIoApicFirstEntry = 0x10;
constexpr u32 kLevelTriggered = 1 << 15, kActiveLow = 1 << 13;

struct IoApic {
  std::byte* registers = nullptr;
  u32 first_line = 0;
  u32 count = 0;
};
constinit IoApic io_apics[2] = {};
constinit std::byte* local_apic = nullptr;
constinit bool x2apic = false;

u32 read(u32 reg) {
  return x2apic ? u32(x86::read_msr(0x800 + (reg >> 4))) : x86::load32(local_apic + reg);
}
void write(u32 reg, u32 value) {
  if (x2apic)
    x86::write_msr(0x800 + (reg >> 4), value);
  else
    x86::store32(local_apic + reg, value);
}

void mask_old_controllers() {
  for (u16 port : {u16(0x21), u16(0xa1)}) x86::out8(port, 0xff);
}

u32 io_read(const IoApic& apic, u32 reg) {
  x86::store32(apic.registers + kIoApicSelect, reg);
  return x86::load32(apic.registers + kIoApicWindow);
}
void io_write(const IoApic& apic, u32 reg, u32 value) {
  x86::store32(apic.registers + kIoApicSelect, reg);
  x86::store32(apic.registers + kIoApicWindow, value);
}

void find_io_apics() {
  u32 line = 0;
  for (usize i = 0; i < std::size(io_apics); ++i) {
    auto registers = platform::map_device(PhysAddr(kIoApicBase + i * kIoApicStep), kPageSize);
    if (!registers.ok()) return;
    IoApic& apic = io_apics[i];
    apic.registers = registers.value();
    const u32 version = io_read(apic, kIoApicVersion);
    // Where nothing answers, reads give all ones or zeros.
    if (version == ~0u || (version & 0xff) == 0) {
      apic.registers = nullptr;
      return;
    }
    apic.first_line = line;
    apic.count = (version >> 16 & 0xff) + 1;
    for (u32 entry = 0; entry < apic.count; ++entry)
      io_write(apic, kIoApicFirstEntry + entry * 2, kMasked);
    line += apic.count;
  }
}

// The local APIC is at the same address on every CPU, and there it is each CPU's own.
void turn_on() {
  const u64 base = x86::read_msr(x86::kMsrApicBase);
  x86::write_msr(x86::kMsrApicBase, base | kApicBaseEnable | (x2apic ? kApicBaseX2 : 0));
  write(kTaskPriority, 0);
  write(kLint0, kMasked);
  write(kLint1, kMasked);
  write(kError, kMasked);
  write(kTimer, kTimerVector);
  write(kDivide, kDivideBy1);
  write(kInitialCount, 0);
  write(kSpurious, kEnable | kSpuriousVector);
}

// What was written before must be seen by the CPU that is told (Intel SDM vol. 3, section 10.12.3:
// writing to a register of an x2APIC orders nothing).
void send(u32 to, u32 command) {
  InterruptGuard no_interrupts;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (x2apic) {
    x86::write_msr(kX2Command, u64{to} << 32 | command);
    return;
  }
  write(kCommandHigh, to << 24);
  write(kCommandLow, command);
  while (read(kCommandLow) & kPending) __builtin_ia32_pause();
}

}  // namespace

void apic_init() {
  mask_old_controllers();
  const u64 base = x86::read_msr(x86::kMsrApicBase);
  x2apic = cpu_features.x2apic;
  if (!x2apic) {
    auto registers = platform::map_device(PhysAddr(base & 0x000f'ffff'ffff'f000), kPageSize);
    if (!registers.ok()) panic("no room to map the local APIC");
    local_apic = registers.value();
  }
  turn_on();
  find_io_apics();
}

void apic_init_further_cpu() {
  turn_on();
}

u32 apic_id() {
  return x2apic ? read(kId) : read(kId) >> 24;
}

void apic_send_init(u32 to) {
  send(to, kInit | kAssert);
}
void apic_send_start(u32 to, u8 page) {
  send(to, kStartUp | kAssert | page);
}
void apic_send_interrupt(u32 to, u8 vector) {
  send(to, kAssert | vector);
}

void end_of_interrupt() {
  write(kEoi, 0);
}

void apic_timer_start(u32 ticks) {
  write(kInitialCount, ticks);
}
u32 apic_timer_remaining() {
  return read(kCurrentCount);
}
void apic_use_tsc_deadline() {
  write(kTimer, kTimerVector | kTimerDeadlineMode);
}

}  // namespace vm

Result<> platform::register_irq(u32 line, bool level_triggered, bool active_low,
                                InterruptHandler handler, void* argument) {
  using namespace vm;
  for (const IoApic& apic : io_apics) {
    if (!apic.registers || line < apic.first_line || line - apic.first_line >= apic.count) continue;
    const u32 vector = TRY(allocate_vector(handler, argument));
    const u32 entry = kIoApicFirstEntry + (line - apic.first_line) * 2;
    io_write(apic, entry + 1, apic_id() << 24);
    io_write(apic, entry,
             vector | (level_triggered ? kLevelTriggered : 0) | (active_low ? kActiveLow : 0));
    return {};
  }
  return Errno::kInval;
}

Result<platform::MessageInterrupt> platform::register_message_irq(InterruptHandler handler,
                                                                  void* argument) {
  using namespace vm;
  const u32 vector = TRY(allocate_vector(handler, argument));
  return MessageInterrupt{0xfee00000 | u64{apic_id() & 0xff} << 12, vector};
}

}  // namespace narwhal
