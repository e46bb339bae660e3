// Brings the network up as the boot settings say.
#pragma once

#include "kernel/init/settings.h"

namespace narwhal {

// Loopback, and the first network card with its addresses. With net=dhcp it waits a few seconds for
// an answer, so that the program finds a network; without one it goes on, and a late answer is
// taken still. What fails is told and left out: a program may not need it. Writes /etc/resolv.conf
// when name servers are known.
void start_network(const BootSettings& settings);

// At the end: sends what programs sent before they ended, as if the machine went on: until the
// peers have it all and know that it was all, for as long as they take something every few seconds,
// and until neighbours have told their addresses, for two of them.
void finish_sending();

}  // namespace narwhal
