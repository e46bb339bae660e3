// The three things that the command does with a program.
#pragma once

#include <string>

#include "tools/narwhal/command_line.h"

namespace narwhal::tools {

// Each returns the command's exit status, or throws Error. `command_name` is argv[0].
int run(const Options& options, const std::string& command_name);
int pack(const Options& options);
int inspect(const Options& options);
int show_version(const std::string& command_name);

}  // namespace narwhal::tools
