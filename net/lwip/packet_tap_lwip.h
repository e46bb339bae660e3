// Where the stack tells taps. Only this folder includes this header.
#pragma once

#include "lwip/pbuf.h"
#include "net/lwip/packet_tap.h"

namespace narwhal::net {

// Whether anybody listens: asked for each frame, so cheap.
extern constinit PacketTap* first_tap;

// A frame with its Ethernet header.
void tap_frame(netif& interface, const pbuf* frame, bool outgoing);
// A packet on the loopback interface: `header` is null for what IP sends.
void tap_loopback(netif& interface, const pbuf* packet, const u8* header, bool outgoing);

}  // namespace narwhal::net
