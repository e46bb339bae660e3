// Console, interrupt lines, power-off: what a process has in their place.
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/host_process.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/process/writer.h"

namespace narwhal {

void platform::console_write(std::string_view bytes) {
  auto left = std::as_bytes(std::span(bytes));
  while (!left.empty()) {
    const auto written = host::write(process_home::boot_state.log_fd, left);
    if (!written.ok()) return;
    left = left.subspan(written.value());
  }
}

// The log has no keyboard; the program's streams are ports (kernel/drivers/host).
void platform::console_set_receiver(void (*)(std::string_view)) {}

// There are no interrupt lines: who waits for the host uses a Watch (events.h).
Result<> platform::register_irq(u32, bool, bool, InterruptHandler, void*) {
  return Errno::kInval;
}
Result<platform::MessageInterrupt> platform::register_message_irq(InterruptHandler, void*) {
  return Errno::kNoSpc;
}

void platform::power_off(u8 status) {
  interrupts_save_disable();
  process_home::finish_writes();
  process_home::end_all(status);
}

}  // namespace narwhal
