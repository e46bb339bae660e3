// Loop devices that tests left attached: no namespace separates these either.
#pragma once

#include <string>

namespace narwhal::tools {

// Detaches those whose files lie in the file system that `folder` is in.
void detach_loop_devices(const std::string& folder);

}  // namespace narwhal::tools
