#include "net/lwip/random.h"

#include <bit>
#include <span>

#include "kernel/base/atomic.h"
#include "kernel/platform/machine.h"

namespace narwhal::net {
namespace {

constinit u64 key[2];
constinit Atomic<u64> counter{0};

struct SipState {
  u64 v0, v1, v2, v3;

  SipState()
      : v0(key[0] ^ 0x736f6d6570736575),
        v1(key[1] ^ 0x646f72616e646f6d),
        v2(key[0] ^ 0x6c7967656e657261),
        v3(key[1] ^ 0x7465646279746573) {}
  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void word(u64 value) {
    v3 ^= value;
    round();
    round();
    v0 ^= value;
  }
  u64 finish() {
    v2 ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

}  // namespace

void random_init() {
  u64 fresh[2] = {};
  platform::hardware_entropy(std::as_writable_bytes(std::span(fresh)));
  // Where there is no good source the time still makes two boots differ.
  key[0] = fresh[0] ^ platform::monotonic_ns();
  key[1] = fresh[1] ^ u64(platform::boot_wall_clock_ns());
}

u64 keyed_hash(const u64* words, usize count) {
  SipState state;
  for (usize i = 0; i < count; ++i) state.word(words[i]);
  state.word(u64(count) << 59);  // the length in bytes, modulo 256, in the top byte
  return state.finish();
}

u32 random32() {
  const u64 next = counter.fetch_add(1, Order::kRelaxed);
  return u32(keyed_hash(&next, 1));
}

}  // namespace narwhal::net
