// A place on the user's own machine where tests that change the machine do not harm it.
#pragma once

#include <string>
#include <vector>

namespace narwhal::tools {

// Continues in a process that is process 1 of new namespaces for mounts, processes, host names, IPC
// and the network (with its loopback interface up), whose root is a copy-on-write view of this
// machine's files with a tmpfs at /tmp, and that has no capability to set the clock, to reboot, or
// to load kernel modules. `kept` is a folder that stays visible, read-only, wherever it lies. The
// calling process waits for it, ends with its status, and never returns. Notes say what the result
// means, and what could not be had. Throws std::runtime_error when there are no namespaces.
std::vector<std::string> enter_isolation(const std::string& kept);

// A fresh file system in memory at /tmp.
bool mount_scratch();

}  // namespace narwhal::tools
