// A mapping that unmaps itself.
#pragma once

#include <sys/mman.h>

#include <utility>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {

class Mapping {
 public:
  Mapping() = default;
  Mapping(void* address, size_t size) : address_(address), size_(size) {}
  // `pages` pages of private anonymous memory.
  explicit Mapping(size_t pages, int protection = PROT_READ | PROT_WRITE, int flags = MAP_PRIVATE)
      : Mapping(mmap(nullptr, pages * kPage, protection, flags | MAP_ANONYMOUS, -1, 0),
                pages * kPage) {
    EXPECT_NE(MAP_FAILED, address_) << error_name(errno);
  }
  // `pages` pages of a file.
  Mapping(int fd, size_t pages, int protection, int flags, off_t offset = 0)
      : Mapping(mmap(nullptr, pages * kPage, protection, flags, fd, offset), pages * kPage) {
    EXPECT_NE(MAP_FAILED, address_) << error_name(errno);
  }
  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, MAP_FAILED)), size_(other.size_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping() {
    if (address_ != MAP_FAILED) munmap(address_, size_);
  }

  char* data() const { return static_cast<char*>(address_); }
  char* page(size_t index) const { return data() + index * kPage; }
  char& operator[](size_t offset) const { return data()[offset]; }
  size_t size() const { return size_; }
  void* release() { return std::exchange(address_, MAP_FAILED); }

 private:
  void* address_ = MAP_FAILED;
  size_t size_ = 0;
};

}  // namespace compat
