#pragma once

#include <string>

namespace narwhal {

// A function's name as a backtrace shows it: demangled, without parameters, without the namespaces
// that say nothing, and not longer than a line. Names that are not C++ come back as they are.
std::string readable_name(const char* mangled);

}  // namespace narwhal
