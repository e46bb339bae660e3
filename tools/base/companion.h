// Files that belong to this command.
#pragma once

#include <string>

namespace narwhal::tools {

// The path of a file that was built with the command or installed beside it; empty: it was not
// found. `built`: its path in the repository. `installed`: its name in ../lib/narwhal.
std::string find_companion(const std::string& command_name, const std::string& built,
                           const std::string& installed);

}  // namespace narwhal::tools
