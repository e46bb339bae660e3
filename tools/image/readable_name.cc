#include "tools/image/readable_name.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <string_view>

namespace narwhal {
namespace {

void erase_all(std::string& text, std::string_view noise) {
  for (size_t at = text.find(noise); at != std::string::npos; at = text.find(noise, at)) {
    text.erase(at, noise.size());
  }
}

// The parameter list starts at the first parenthesis outside a template's brackets, and there may
// be a second list: of the function in which a local class or a lambda stands.
size_t end_without_parameters(std::string_view name) {
  int depth = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i).starts_with("operator")) {
      // The characters of operator<, operator(), operator-> are part of the name.
      i += std::string_view("operator").size();
      if (name.substr(i).starts_with("()")) i += 2;
      while (i < name.size() &&
             std::string_view("<>=-!&|^+*/%~,[]").find(name[i]) != std::string_view::npos)
        ++i;
    }
    if (i >= name.size()) break;
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0) return i;
  }
  return name.size();
}

}  // namespace

std::string readable_name(const char* mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> demangled(
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), &std::free);
  if (status != 0) return mangled;
  std::string name = demangled.get();
  erase_all(name, "narwhal::");
  erase_all(name, "(anonymous namespace)::");
  name.resize(end_without_parameters(name));
  constexpr size_t kLongest = 96;
  if (name.size() > kLongest) name = name.substr(0, kLongest - 3) + "...";
  return name;
}

}  // namespace narwhal
