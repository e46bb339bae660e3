// Random numbers fit for keys: getrandom(2), /dev/urandom, AT_RANDOM, sequence numbers, layouts.
//
// ChaCha20 with fast key erasure (D. J. Bernstein, "Fast-key-erasure random-number generators"):
// each request takes one block, whose first half becomes the next key, so nobody who learns the
// state later can tell what came out before. The state is seeded at its first use, and again every
// few minutes, from what the machine has (RDSEED, RDRAND); drivers and programs may add more.
#pragma once

#include <span>

#include "kernel/base/types.h"

namespace narwhal {

// Any context, interrupts included.
void fill_random(std::span<std::byte> out);
u64 random_u64();
// Uniform in [0, bound), bound > 0.
u64 random_below(u64 bound);

// Mixes bytes in. What is bad or even chosen by an enemy does no harm: the state stays at least as
// hard to guess as it was.
void add_entropy(std::span<const std::byte> bytes);

// Whether the seed had at least 256 good bits. Without them the numbers depend on timing alone; a
// warning has been logged then.
bool random_well_seeded();
// A driver says that it added 256 bits or more of its own (virtio's entropy device).
void note_good_entropy();

}  // namespace narwhal
