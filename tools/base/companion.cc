#include "tools/base/companion.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <vector>

namespace narwhal::tools {

std::string find_companion(const std::string& command_name, const std::string& built,
                           const std::string& installed) {
  // Bazel puts what a program needs into a folder of links.
  const std::string linked = ".runfiles/narwhal/" + built;
  std::vector<std::string> places;
  if (const char* const runfiles = getenv("RUNFILES_DIR"))
    places.push_back(std::string(runfiles) + "/narwhal/" + built);
  places.push_back(command_name + linked);
  char self[PATH_MAX];
  if (realpath("/proc/self/exe", self) != nullptr) {
    const std::string path = self, folder = path.substr(0, path.rfind('/'));
    places.push_back(path + linked);
    places.push_back(folder + "/../../" + built);
    places.push_back(folder + "/../lib/narwhal/" + installed);
  }
  for (const std::string& place : places)
    if (access(place.c_str(), R_OK) == 0) return place;
  return "";
}

}  // namespace narwhal::tools
