#include "tools/narwhal/plan.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

namespace narwhal::tools {

namespace {

constexpr char kGuestPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// What a program in a container gets: nothing of this machine's environment but the kind of
// terminal.
Environment environment_for(const Options& options, const User& user) {
  Environment environment = {{"PATH", kGuestPath}, {"HOME", user.home}, {"HOSTNAME", kHostname}};
  const char* const terminal = getenv("TERM");
  if (terminal != nullptr && isatty(STDIN_FILENO)) environment.emplace_back("TERM", terminal);
  for (const auto& [name, value] : options.environment) {
    const auto same = std::find_if(environment.begin(), environment.end(),
                                   [&](const auto& each) { return each.first == name; });
    if (same != environment.end()) {
      same->second = value;
    } else {
      environment.emplace_back(name, value);
    }
  }
  return environment;
}

// The guest's PATH comes first: a name means what it would mean to a program there. (What stands
// first in people's own PATH is often a shim that only works in their own shell.) Then theirs.
std::string search_path(const Environment& guest) {
  std::string folders;
  for (const auto& [name, value] : guest) {
    if (name == "PATH") folders = value;
  }
  const char* const own = getenv("PATH");
  if (own != nullptr && *own != '\0') folders += std::string(folders.empty() ? "" : ":") + own;
  return folders;
}

}  // namespace

PackPlan plan_for(const HostView& host, const Options& options) {
  const User user = options.user.empty() ? User() : parse_user(options.user, host);
  PackRequest request;
  request.program = options.program;
  request.arguments = options.arguments;
  request.environment = environment_for(options, user);
  request.working_folder = options.working_folder;
  request.uid = user.uid;
  request.gid = user.gid;
  request.includes = options.includes;
  request.wanted_packages = options.packages;
  for (const Volume& volume : options.volumes) request.volumes.push_back(volume.mapping);
  request.shares_folders = options.linux_folder.empty();
  request.base.hostname = kHostname;
  if (options.network.kind == Network::Kind::kUser) {
    request.base.name_servers = {kUserNameServer};
  }
  request.base.copy_name_servers = options.network.kind == Network::Kind::kTap;
  request.search_path = search_path(request.environment);
  char folder[PATH_MAX];
  request.current_folder = getcwd(folder, sizeof folder) != nullptr ? folder : "/";
  return make_plan(host, request);
}

}  // namespace narwhal::tools
