#include "tools/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/base/unique_fd.h"

namespace narwhal::tools {

std::optional<std::string> read_file(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  struct stat status;
  std::string contents;
  // The size is only a hint: files in /proc say 0, and a log may grow while we read it.
  if (fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode)) {
    contents.reserve(static_cast<size_t>(status.st_size) + 1);
  }
  constexpr size_t kChunk = 65536;
  size_t length = 0;
  while (true) {
    const size_t room = std::max(contents.capacity() - length, kChunk);
    contents.resize(length + room);
    const ssize_t got = read(fd.get(), contents.data() + length, room);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    length += static_cast<size_t>(got);
  }
  contents.resize(length);
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
