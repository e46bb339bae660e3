#include <gtest/gtest.h>

#include <vector>

#include "kernel/base/types.h"
#include "lwip/arch.h"

namespace narwhal {
namespace {

// As RFC 1071 says it, a pair of bytes at a time.
u16 plain_sum(const u8* bytes, usize size) {
  u32 sum = 0;
  for (usize i = 0; i < size; ++i) sum += i % 2 == 0 ? bytes[i] : u32(bytes[i]) << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return u16(sum);
}

// Zero and 0xffff are the same number here.
u16 canonical(u16 sum) {
  return sum == 0xffff ? 0 : sum;
}

TEST(Checksum, EveryLengthAndAlignment) {
  for (usize length = 0; length <= 100; ++length) {
    for (usize start = 0; start < 9; ++start) {
      std::vector<u8> bytes(start + length);
      for (usize i = 0; i < bytes.size(); ++i) bytes[i] = u8(i * 89 + length);
      EXPECT_EQ(canonical(narwhal_lwip_checksum(bytes.data() + start, int(length))),
                canonical(plain_sum(bytes.data() + start, length)))
          << length << " bytes from " << start;
    }
  }
}

TEST(Checksum, EveryCarryComesBack) {
  const std::vector<u8> ones(4097, 0xff);
  for (usize length : {1u, 2u, 3u, 8u, 15u, 32u, 33u, 64u, 4096u, 4097u})
    EXPECT_EQ(canonical(narwhal_lwip_checksum(ones.data(), int(length))),
              canonical(plain_sum(ones.data(), length)))
        << length;
}

}  // namespace
}  // namespace narwhal
