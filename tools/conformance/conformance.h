// `narwhal conformance`: the Linux Test Project here and there.
#pragma once

#include <string>

namespace narwhal::tools {

// Returns the command's exit status, or throws Error. `command_name` is the narwhal command's
// argv[0]; the arguments start with "conformance".
int conformance(const std::string& command_name, int argc, const char* const* argv);

}  // namespace narwhal::tools
