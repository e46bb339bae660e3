// Room for bursts of connections in front of a guest.
#pragma once

#include <sys/types.h>

#include <vector>

#include "tools/narwhal/values.h"

namespace narwhal::tools {

// QEMU's user network listens on forwarded ports with a backlog of one (libslirp: tcpx_listen calls
// listen(s, 1)). When fifty clients connect at once, Linux drops all but a few of their SYNs, and
// they come through a second, two, four, eight later. A second listen(2) on the same socket makes
// the queue longer; this one is done on copies of QEMU's descriptors (pidfd_getfd(2)). Where that
// is not allowed, everything stays as it was. Returns the number of sockets that were changed.
int lengthen_backlogs(pid_t qemu, const std::vector<PortForward>& ports);

// Whether that is allowed here: containers often forbid it (relay.h helps there).
bool can_lengthen_backlogs();

}  // namespace narwhal::tools
