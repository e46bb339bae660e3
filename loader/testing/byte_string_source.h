// For tests: bytes in memory as the file that read_elf() reads.
#pragma once

#include <algorithm>
#include <cstring>
#include <string_view>

#include "loader/elf.h"

namespace narwhal::testing {

class ByteStringSource final : public ByteSource {
 public:
  explicit ByteStringSource(std::string_view bytes) : bytes_(bytes) {}
  Result<usize> read_at(u64 offset, std::span<std::byte> to) override {
    if (i64(offset) < 0) return Errno::kInval;
    if (offset >= bytes_.size()) return usize{0};
    const usize size = std::min<usize>(to.size(), bytes_.size() - offset);
    std::memcpy(to.data(), bytes_.data() + offset, size);
    return size;
  }

 private:
  std::string_view bytes_;
};

}  // namespace narwhal::testing
