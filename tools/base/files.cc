#include "tools/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "tools/base/unique_fd.h"

namespace narwhal::tools {

bool append_file(int folder, const std::string& path, std::string& to) {
  const UniqueFd fd(openat(folder, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return false;
  const size_t before = to.size();
  char chunk[65536];
  while (true) {
    const ssize_t got = read(fd.get(), chunk, sizeof chunk);
    if (got == 0) return true;
    if (got > 0) {
      to.append(chunk, static_cast<size_t>(got));
    } else if (errno != EINTR) {
      to.resize(before);
      return false;
    }
  }
}

std::optional<std::string> read_file(const std::string& path) {
  std::string contents;
  if (!append_file(AT_FDCWD, path, contents)) return std::nullopt;
  return contents;
}

bool write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    data.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

std::string format_size(unsigned long long bytes) {
  if (bytes < 10ull << 10) return fmt::format("{} bytes", bytes);
  if (bytes < 10ull << 20) return fmt::format("{} KiB", (bytes + 512) >> 10);
  if (bytes < 10ull << 30) return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1 << 30));
}

}  // namespace narwhal::tools
