// narwhal run --profile: where the time goes, in the program and in both kernels.
#pragma once

#include <string>
#include <vector>

#include "tools/narwhal/command_line.h"

namespace narwhal::tools {

// What is left of `words` (run's own, and then the program's) for whoever runs the program in our
// place: without --profile and --platform.
std::vector<std::string> words_for_profiler(const Options& options,
                                            const std::vector<std::string>& words);

// Becomes tools/profile, which starts this command again. Returns only by an Error.
[[noreturn]] void profile(const Options& options, int argc, const char* const* argv);

}  // namespace narwhal::tools
