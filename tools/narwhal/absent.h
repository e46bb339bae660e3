// What a program that failed had looked for in vain, and this machine has: most often all that is
// wrong is that it was not packed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/base/host_view.h"
#include "tools/pack/root_tree.h"

namespace narwhal::tools {

// `absent` are paths that the guest told of; `arguments` the program's. Whole lines for the user,
// or nothing: for programs that the guest's root does not have in any of its folders of programs,
// and for files that an argument names.
std::string hint_about_absent(const std::vector<std::string>& absent, const HostView& host,
                              const RootTree& root, const std::vector<std::string>& arguments);

}  // namespace narwhal::tools
