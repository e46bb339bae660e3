#include "kernel/random/random.h"

#include <cstring>

#include "kernel/base/atomic.h"
#include "kernel/base/log.h"
#include "kernel/platform/machine.h"
#include "kernel/random/chacha20.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {
namespace {

constexpr u64 kReseedAfter = 300 * kNanosPerSecond;
constexpr usize kSeedBytes = 48;

constinit SpinLock<LockRank::kRandom> state_lock;
constinit ChaChaKey state_key TA_GUARDED_BY(state_lock);
constinit Atomic<bool> seeded{false};
constinit Atomic<bool> well_seeded{false};
constinit Atomic<u64> next_seed_ns{0};

// memset that the compiler may not leave out.
void wipe(void* data, usize size) {
  std::memset(data, 0, size);
  asm volatile("" : : "r"(data) : "memory");
}

// The next key is a keyed function of the old one and 16 bytes of input: known input leaves an
// unknown key unknown, and unknown input makes a known key unknown.
void absorb(const ChaChaInput& input) TA_REQUIRES(state_lock) {
  ChaChaBlock block;
  chacha20_block(state_key, input, block);
  std::memcpy(&state_key, &block, sizeof state_key);
  wipe(&block, sizeof block);
}

// Takes 32 bytes of output; the state that made them is gone when it returns.
void draw(std::byte (&out)[32]) {
  ChaChaBlock block;
  {
    SpinGuard guard(state_lock);
    chacha20_block(state_key, ChaChaInput{}, block);
    std::memcpy(&state_key, &block, sizeof state_key);
  }
  std::memcpy(out, &block.words[8], sizeof out);
  wipe(&block, sizeof block);
}

void seed(u64 now_ns) {
  next_seed_ns.store(now_ns + kReseedAfter, Order::kRelaxed);
  std::byte bytes[kSeedBytes];
  const usize good = platform::hardware_entropy(bytes);
  add_entropy(bytes);
  wipe(bytes, sizeof bytes);
  const u64 clocks[2] = {now_ns, u64(platform::boot_wall_clock_ns())};
  add_entropy(std::as_bytes(std::span(clocks)));
  if (good >= 32) well_seeded.store(true, Order::kRelaxed);
  if (!seeded.exchange(true) && !well_seeded.load(Order::kRelaxed))
    LOG_WARN("random numbers: the machine gave " << good << " good bytes of entropy, want 32");
}

void seed_if_due() {
  const u64 now = platform::monotonic_ns();
  if (!seeded.load(Order::kAcquire) || now >= next_seed_ns.load(Order::kRelaxed)) [[unlikely]]
    seed(now);
}

}  // namespace

void add_entropy(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ChaChaInput input;
    const usize size = bytes.size() < sizeof input ? bytes.size() : sizeof input;
    std::memcpy(&input, bytes.data(), size);
    bytes = bytes.subspan(size);
    SpinGuard guard(state_lock);
    absorb(input);
  }
}

void fill_random(std::span<std::byte> out) {
  seed_if_due();
  std::byte drawn[32];
  draw(drawn);
  if (out.size() <= sizeof drawn) {
    if (!out.empty()) std::memcpy(out.data(), drawn, out.size());
    wipe(drawn, sizeof drawn);
    return;
  }
  // More than that comes from a key of its own, without the lock.
  ChaChaKey key;
  std::memcpy(&key, drawn, sizeof key);
  wipe(drawn, sizeof drawn);
  ChaChaBlock block;
  for (u64 counter = 0; !out.empty(); ++counter) {
    chacha20_block(key, ChaChaInput{{u32(counter), u32(counter >> 32)}}, block);
    const usize size = out.size() < sizeof block ? out.size() : sizeof block;
    std::memcpy(out.data(), &block, size);
    out = out.subspan(size);
  }
  wipe(&block, sizeof block);
  wipe(&key, sizeof key);
}

u64 random_u64() {
  u64 value;
  fill_random(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

u64 random_below(u64 bound) {
  // Values in the last, incomplete round of `bound` would make the low ones likelier.
  const u64 incomplete = (0 - bound) % bound;
  for (;;) {
    const u64 value = random_u64();
    if (value >= incomplete) return value % bound;
  }
}

bool random_well_seeded() {
  seed_if_due();
  return well_seeded.load(Order::kRelaxed);
}

void note_good_entropy() {
  well_seeded.store(true, Order::kRelaxed);
}

}  // namespace narwhal
