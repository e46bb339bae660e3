// The serial port at 0x3f8, a 16550.
#include "kernel/arch/x86_64/instructions.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"

namespace narwhal {

namespace {

constexpr u16 kPort = 0x3f8;
constexpr u32 kLine = 4;  // ISA interrupt
constexpr u16 kData = 0, kInterruptEnable = 1, kFifoControl = 2, kModemControl = 4, kLineStatus = 5;
constexpr u8 kDataReady = 1, kTransmitterEmpty = 0x20;

constinit void (*receiver)(std::string_view) = nullptr;

// A host that is busy may take long to read; one that does not read at all is not waited for again
// and again. Where no port is, the status reads as all ones, and nothing waits.
constexpr u32 kPatience = 20'000'000, kImpatience = 1'000;
constinit bool host_is_deaf = false;

void put(char c) {
  const u32 most = host_is_deaf ? kImpatience : kPatience;
  u32 tries = 0;
  while (!(x86::in8(kPort + kLineStatus) & kTransmitterEmpty) && tries < most) ++tries;
  host_is_deaf = tries == most;
  x86::out8(kPort + kData, u8(c));
}

void on_interrupt(void*) {
  char bytes[64];
  usize count = 0;
  while (x86::in8(kPort + kLineStatus) & kDataReady) {
    bytes[count++] = char(x86::in8(kPort + kData));
    if (count == sizeof bytes) {
      receiver({bytes, count});
      count = 0;
    }
  }
  if (count != 0) receiver({bytes, count});
}

}  // namespace

void platform::console_write(std::string_view bytes) {
  InterruptGuard guard;
  for (char c : bytes) put(c);
}

void platform::console_set_receiver(void (*receive)(std::string_view bytes)) {
  receiver = receive;
  if (!register_irq(kLine, false, false, on_interrupt, nullptr).ok()) return;
  x86::out8(kPort + kFifoControl, 0x07);      // on, emptied
  x86::out8(kPort + kModemControl, 0x0b);     // lets interrupts out
  x86::out8(kPort + kInterruptEnable, 0x01);  // when bytes come
}

}  // namespace narwhal
