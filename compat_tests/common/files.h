// Descriptors that close themselves, and a directory of its own for each test.
#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

namespace compat {

inline constexpr size_t kPage = 4096;

// An address in the first page, which no program has mapped.
template <class T>
T* bad_pointer() {
  volatile uintptr_t address = 64;
  return reinterpret_cast<T*>(address);
}

class Fd {
 public:
  Fd() = default;
  Fd(int fd) : fd_(fd) {}  // NOLINT: a plain descriptor becomes one that closes itself.
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }

  operator int() const { return fd_; }  // NOLINT: so that it goes wherever a descriptor goes.
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// Made with mkdtemp(3) under $COMPAT_DIR (if that is not set, /tmp), and removed with all that is
// in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // The path of `name` in the directory.
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// Creates or replaces a file.
void write_file(const std::string& path, std::string_view content, mode_t mode = 0644);
// The whole content; fails the test and returns what there is when it cannot be read.
std::string read_file(const std::string& path);
// The whole content from offset 0 on, without moving the descriptor's position.
std::string read_fd(int fd);

inline off_t position(int fd) {
  return lseek(fd, 0, SEEK_CUR);
}

// Writes everything, reads exactly `size` bytes (fewer only at the end of the stream).
bool write_all(int fd, std::string_view data);
std::string read_exactly(int fd, size_t size);

// `size` bytes that differ from their neighbours and from page to page.
std::string pattern(size_t size, unsigned seed = 1);

}  // namespace compat
