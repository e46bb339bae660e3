// Unpredictable numbers for the protocols: SipHash-2-4 (Aumasson and Bernstein, 2012) under a key
// that is drawn once from the machine's entropy.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::net {

// Draws the key. Called by core_init().
void random_init();
u32 random32();
// A keyed hash of words: initial sequence numbers and hash tables that a peer must not steer.
u64 keyed_hash(const u64* words, usize count);

}  // namespace narwhal::net
