#include "kernel/platform/rewrite/stub.h"

#include <initializer_list>

namespace narwhal::rewrite {
namespace {

class Writer {
 public:
  Writer(std::byte* at, u64 address) : at_(at), address_(address) {}
  void byte(u8 value) {
    *at_++ = std::byte{value};
    ++address_;
  }
  void bytes(std::initializer_list<u8> values) {
    for (const u8 value : values) byte(value);
  }
  void word(u32 value) {
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
    address_ += sizeof value;
  }
  // The last word of an instruction that names `target` relative to its own end.
  void relative(u64 target) { word(u32(target - (address_ + sizeof(u32)))); }

 private:
  std::byte* at_;
  u64 address_;
};

}  // namespace

void write_stub(std::span<std::byte, kStubSize> out, u64 at, const Site& site, u64 header) {
  constexpr u8 kPadding = 0xcc;
  std::memset(out.data(), kPadding, out.size());
  Writer code(out.data(), at);
  for (u8 i = 0; i < site.length; ++i) code.byte(site.original[i]);
  // What follows leaves the flags alone, and of the registers uses one that `syscall` changes.
  code.bytes({0x48, 0x8d, 0x0d});  // leaq behind-the-call(%rip), %rcx
  code.relative(site.call() + kCallSize);
  code.bytes({0xff, 0x25});  // jmpq *header(%rip)
  code.relative(header);
}

StubRange stub_range(const Site& site, std::span<const std::byte, kJumpSize> now) {
  // Both ways, and the jumps of the stub itself.
  constexpr u64 kReach = (u64{1} << 31) - 64 * kKiB;
  const u64 behind = site.at + kJumpSize;
  if (!site.is_short()) return {behind > kReach ? behind - kReach : 0, behind + kReach};
  i32 least, most;
  std::memcpy(&least, now.data() + 1, sizeof least);
  std::memcpy(&most, now.data() + 1, sizeof most);
  std::memset(&least, 0, site.length - 1u);
  std::memset(&most, 0xff, site.length - 1u);
  return {behind + u64(i64{least}), behind + u64(i64{most})};
}

void write_jump(std::span<std::byte, kJumpSize> out, u64 site, u64 stub) {
  Writer code(out.data(), site);
  code.byte(0xe9);
  code.relative(stub);
}

}  // namespace narwhal::rewrite
