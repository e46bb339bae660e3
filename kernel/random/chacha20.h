// ChaCha20's block function (RFC 8439, section 2.3).
#pragma once

#include "kernel/base/types.h"

namespace narwhal {

struct ChaChaKey {
  u32 words[8] = {};
};
// State words 12 to 15: the block counter, then the nonce.
struct ChaChaInput {
  u32 words[4] = {};
};
struct ChaChaBlock {
  u32 words[16];
};
static_assert(sizeof(ChaChaKey) == 32 && sizeof(ChaChaInput) == 16 && sizeof(ChaChaBlock) == 64);

// In memory the words of the block are the bytes of the key stream: both are little-endian.
void chacha20_block(const ChaChaKey& key, const ChaChaInput& input, ChaChaBlock& out);

}  // namespace narwhal
