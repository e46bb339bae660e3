// Brings the network up as the boot settings say.
#pragma once

#include "kernel/init/settings.h"

namespace narwhal {

// Loopback, and the first network card with its addresses. With net=dhcp it waits a few seconds for
// an answer, so that the program finds a network; without one it goes on, and a late answer is
// taken still. What fails is told and left out: a program may not need it. Writes /etc/resolv.conf
// when name servers are known.
void start_network(const BootSettings& settings);

}  // namespace narwhal
