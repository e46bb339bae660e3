// The forms in which options take their values. Every function throws Error with a line that shows
// the right form.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/base/host_view.h"
#include "tools/pack/planner.h"

namespace narwhal::tools {

// -p [ADDRESS:]HOST:GUEST[/tcp|/udp]
struct PortForward {
  std::string address = "127.0.0.1";  // of this machine: only programs here can reach it
  uint16_t host_port = 0;
  uint16_t guest_port = 0;
  bool is_udp = false;
};
PortForward parse_port(std::string_view text);

// -v HOST:GUEST[:ro]
struct Volume {
  Mapping mapping;
  bool read_only = false;
};
Volume parse_volume(std::string_view text);

// --disk FILE[:ro]
struct DiskWish {
  std::string path;
  bool read_only = false;
};
DiskWish parse_disk(std::string_view text);

// --include PATH[:GUEST]
Mapping parse_include(std::string_view text);

// -m SIZE: a number with k, m or g (B, iB may follow); bytes.
uint64_t parse_memory(std::string_view text);

// -e NAME=VALUE, or NAME for the value that it has here. `have` finds that; nullptr when it is not
// set.
using Environment = std::vector<std::pair<std::string, std::string>>;
std::pair<std::string, std::string> parse_environment(std::string_view text,
                                                      const char* (*have)(const char* name));

// --user UID[:GID], by number or by name; names are looked up in the view's /etc/passwd and
// /etc/group.
struct User {
  unsigned uid = 0;
  unsigned gid = 0;
  std::string home = "/root";
};
User parse_user(std::string_view text, const HostView& host);

// --net user|none|tap:NAME
struct Network {
  enum class Kind { kUser, kTap, kNone } kind = Kind::kUser;
  std::string tap_name;
};
Network parse_network(std::string_view text);

// --ip ADDRESS/PREFIX,GATEWAY; checked, and returned as the boot contract wants it.
std::string parse_address(std::string_view text);

}  // namespace narwhal::tools
