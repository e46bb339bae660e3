// NETLINK_ROUTE: requests and their answers (rtnetlink(7)).
#pragma once

#include "net/netlink/messages.h"
#include "net/netlink/netlink.h"

namespace narwhal::netlink {

struct Request {
  std::span<const std::byte> bytes;  // one message, header included
  u32 port = 0;                      // who asks
  bool may_change = false;           // CAP_NET_ADMIN
};

// Answers one request. What is returned goes back in an NLMSG_ERROR message.
Result<> answer(const Provider& provider, const Request& request, DatagramList& out);

}  // namespace narwhal::netlink
