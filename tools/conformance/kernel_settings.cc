#include "tools/conformance/kernel_settings.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "tools/base/unique_fd.h"

namespace narwhal::tools {

namespace {

namespace fs = std::filesystem;

// None of these settings is longer.
constexpr size_t kLongest = 4096;

std::optional<std::string> contents(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  char text[kLongest];
  const ssize_t got = fd ? read(fd.get(), text, sizeof text) : -1;
  if (got < 0) return std::nullopt;
  return std::string(text, static_cast<size_t>(got));
}

// These change by themselves, or with every look.
bool is_alive(const std::string& path) {
  return path.find("/random/") != std::string::npos || path.ends_with("/ns_last_pid");
}

}  // namespace

KernelSettings::KernelSettings(const std::string& folder) {
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    struct stat status;
    const std::string path = at->path();
    if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    if ((status.st_mode & 0600) != 0600 || is_alive(path)) continue;
    if (std::optional<std::string> text = contents(path)) files_[path] = std::move(*text);
  }
}

void KernelSettings::restore() const {
  for (const auto& [path, before] : files_) {
    if (contents(path) == before) continue;
    const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_TRUNC));
    // A setting that cannot be put back is one that the test could not have changed either.
    if (fd && write(fd.get(), before.data(), before.size()) < 0) continue;
  }
}

}  // namespace narwhal::tools
