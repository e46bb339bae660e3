#include "tools/narwhal/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/base/companion.h"
#include "tools/base/error.h"
#include "tools/narwhal/checks.h"

namespace narwhal::tools {

std::vector<std::string> words_for_profiler(const Options& options,
                                            const std::vector<std::string>& words) {
  const size_t program = words.size() - 1 - options.arguments.size();
  std::vector<std::string> rest;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto is = [&](const std::string& name) {
      return i < program && (word == name || word.starts_with(name + "="));
    };
    if (!is("--profile") && !is("--platform"))
      rest.push_back(word);
    else if (word.find('=') == std::string::npos)
      ++i;  // its value
  }
  return rest;
}

void profile(const Options& options, int argc, const char* const* argv) {
  if (options.platform == PlatformWish::kVm)
    fail("--profile: perf sees a machine as a whole only; leave --platform vm away");
  const std::string script = find_companion(argv[0], "tools/profile/profile_guest.py",  //
                                            "profile_guest.py");
  if (script.empty()) fail("--profile: tools/profile/profile_guest.py was not found");
  setenv("NARWHAL", "/proc/self/exe", 1);
  char self[4096];
  if (realpath("/proc/self/exe", self) != nullptr) setenv("NARWHAL", self, 1);
  setenv("NARWHAL_PROCESS_KERNEL", find_kernel(options.kernel, argv[0], true).c_str(), 1);
  std::vector<std::string> words = {"python3", script, options.profile};
  // Behind the command's name and `run`.
  const std::vector<std::string> own(argv + 2, argv + argc);
  for (std::string& word : words_for_profiler(options, own)) words.push_back(std::move(word));
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execvp("python3", pointers.data());
  fail("--profile: python3: {}", strerror(errno));
}

}  // namespace narwhal::tools
