#include "compat_tests/common/files.h"

#include <errno.h>
#include <stdlib.h>

#include <filesystem>

#include "compat_tests/common/expect.h"

namespace compat {

TempDir::TempDir() {
  const char* parent = getenv("COMPAT_DIR");
  std::string path = std::string(parent != nullptr ? parent : "/tmp") + "/compat.XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    ADD_FAILURE() << path << ": mkdtemp failed with " << error_name(errno);
    return;
  }
  path_ = path;
}

TempDir::~TempDir() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::string& path, std::string_view content, mode_t mode) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  EXPECT_GE(fd, 0) << path << ": " << error_name(errno);
  EXPECT_TRUE(write_all(fd, content)) << path << ": " << error_name(errno);
}

std::string read_file(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_GE(fd, 0) << path << ": " << error_name(errno);
  return fd < 0 ? std::string() : read_exactly(fd, SIZE_MAX);
}

std::string read_fd(int fd) {
  std::string content;
  char buffer[4096];
  ssize_t count;
  while ((count = pread(fd, buffer, sizeof buffer, static_cast<off_t>(content.size()))) > 0) {
    content.append(buffer, static_cast<size_t>(count));
  }
  EXPECT_EQ(0, count) << "pread: " << error_name(errno);
  return content;
}

bool write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t count = write(fd, data.data(), data.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    data.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

std::string read_exactly(int fd, size_t size) {
  std::string data;
  char buffer[16384];
  while (data.size() < size) {
    const ssize_t count = read(fd, buffer, std::min(sizeof buffer, size - data.size()));
    if (count < 0 && errno == EINTR) continue;
    EXPECT_GE(count, 0) << "read: " << error_name(errno);
    if (count <= 0) break;
    data.append(buffer, static_cast<size_t>(count));
  }
  return data;
}

std::string pattern(size_t size, unsigned seed) {
  std::string data(size, '\0');
  uint64_t state = seed * 2654435761u + 88172645463325252u;
  for (char& byte : data) {
    // xorshift64: no library's generator, so that native and guest runs see the same bytes.
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state);
  }
  return data;
}

}  // namespace compat
