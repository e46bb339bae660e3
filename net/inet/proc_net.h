// The texts of /proc/net that are about the Internet protocols: proc(5). Each function fits a
// generated file (fs/generated): it writes the whole file.
#pragma once

#include "kernel/base/format.h"
#include "kernel/base/result.h"

namespace narwhal::inet {

Result<> show_tcp(TextSink& out);
Result<> show_tcp6(TextSink& out);
Result<> show_udp(TextSink& out);
Result<> show_udp6(TextSink& out);
Result<> show_raw(TextSink& out);
Result<> show_raw6(TextSink& out);
Result<> show_devices(TextSink& out);         // dev
Result<> show_routes(TextSink& out);          // route
Result<> show_ipv6_addresses(TextSink& out);  // if_inet6
Result<> show_socket_counts(TextSink& out);   // sockstat

}  // namespace narwhal::inet
