// AF_NETLINK, family NETLINK_ROUTE: netlink(7), rtnetlink(7). What programs ask about interfaces,
// addresses and routes.
#pragma once

#include "net/lwip/interface.h"

namespace narwhal::netlink {

// Where the answers come from.
struct Provider {
  Result<Vector<net::InterfaceInfo>> (*interfaces)() = nullptr;
};

// Makes the family known; once, when the kernel starts.
void register_family(const Provider& provider);

}  // namespace narwhal::netlink
