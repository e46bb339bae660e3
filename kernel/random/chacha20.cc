#include "kernel/random/chacha20.h"

namespace narwhal {
namespace {

constexpr u32 rotate_left(u32 value, unsigned count) {
  return value << count | value >> (32 - count);
}

void quarter_round(u32& a, u32& b, u32& c, u32& d) {
  a += b;
  d = rotate_left(d ^ a, 16);
  c += d;
  b = rotate_left(b ^ c, 12);
  a += b;
  d = rotate_left(d ^ a, 8);
  c += d;
  b = rotate_left(b ^ c, 7);
}

}  // namespace

void chacha20_block(const ChaChaKey& key, const ChaChaInput& input, ChaChaBlock& out) {
  u32 start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};  // "expand 32-byte k"
  for (usize i = 0; i < 8; ++i) start[4 + i] = key.words[i];
  for (usize i = 0; i < 4; ++i) start[12 + i] = input.words[i];
  u32* x = out.words;
  for (usize i = 0; i < 16; ++i) x[i] = start[i];
  for (int double_round = 0; double_round < 10; ++double_round) {
    quarter_round(x[0], x[4], x[8], x[12]);
    quarter_round(x[1], x[5], x[9], x[13]);
    quarter_round(x[2], x[6], x[10], x[14]);
    quarter_round(x[3], x[7], x[11], x[15]);
    quarter_round(x[0], x[5], x[10], x[15]);
    quarter_round(x[1], x[6], x[11], x[12]);
    quarter_round(x[2], x[7], x[8], x[13]);
    quarter_round(x[3], x[4], x[9], x[14]);
  }
  for (usize i = 0; i < 16; ++i) x[i] += start[i];
}

}  // namespace narwhal
