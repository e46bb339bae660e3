#include "kernel/platform/process/debugger.h"

#include "kernel/base/format.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/layout.h"

// gdb knows it by this name.
extern "C" {
[[gnu::used]] constinit narwhal::u32 narwhal_debugger_came = 0;
}

namespace narwhal::process_home {

void wait_for_debugger() {
  Text<64> line;
  line << "debugger " << hex(boot_state.window_base + kImageOffset) << '\n';
  host::write(boot_state.control_fd >= 0 ? boot_state.control_fd : boot_state.log_fd,
              std::as_bytes(std::span(line.view())))
      .ignore();
  while (__atomic_load_n(&narwhal_debugger_came, __ATOMIC_ACQUIRE) == 0)
    host::wait(narwhal_debugger_came, 0);
}

}  // namespace narwhal::process_home
