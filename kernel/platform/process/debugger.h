// gdb on the host.
#pragma once

namespace narwhal::process_home {

// Tells the command where the kernel lies, and waits until gdb has set `narwhal_debugger_came`.
void wait_for_debugger();

}  // namespace narwhal::process_home
