// Absolute paths that a configuration file mentions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace narwhal::tools {

// Finds them by their look alone, whatever the file's syntax: a word that starts with '/', after a
// blank, a quote, '=' or ':', and up to the next of those, or ';', ',' or a bracket. Lines that
// start with '#' or ';' are comments. A path with a wildcard is cut back to the folder before it.
// "/" alone and single-component paths are left out: in configuration files these are mostly URLs
// ("location /images").
std::vector<std::string> paths_in_configuration(std::string_view text);

}  // namespace narwhal::tools
