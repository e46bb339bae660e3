// The few files that every program expects, whatever it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/base/host_view.h"
#include "tools/pack/importer.h"
#include "tools/pack/root_tree.h"

namespace narwhal::tools {

struct BaseSettings {
  std::string hostname;
  std::vector<std::string> name_servers;  // for /etc/resolv.conf; none: no name service
  bool copy_name_servers = false;         // instead of those: what this machine uses
};

void add_base_root(const HostView& host, const BaseSettings& settings, Importer& importer,
                   RootTree& tree);

// The users of passwd(5) text that a program may ask for by name: those of the system, and
// `wanted_user`. People and their names stay at home. Passwords, if any, too.
std::string system_users(std::string_view passwd, std::string_view wanted_user = "");

// The same for group(5): system groups, without their members that are people.
std::string system_groups(std::string_view group);

// What the lines of resolv.conf(5) say, without servers on this machine itself: the guest cannot
// reach those.
std::string reachable_name_servers(std::string_view resolv_conf);

}  // namespace narwhal::tools
