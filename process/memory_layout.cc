#include "process/memory_layout.h"

namespace narwhal {
namespace {

Result<u64> read_word(AddressSpace& memory, UserAddr at) {
  u64 word = 0;
  if (memory.read_memory(at, std::as_writable_bytes(std::span(&word, 1))) != sizeof word)
    return Errno::kIo;
  return word;
}

}  // namespace

// Unless the program has set another one, it lies behind the pointers to arguments and environment, where the program started.
Result<Vector<u64>> auxiliary_vector(AddressSpace& memory) {
  if (Vector<u64> set = TRY(memory.auxiliary_words()); !set.empty()) return set;
  Vector<u64> words;
  UserAddr at = memory.layout.stack_start;
  const u64 arguments = TRY(read_word(memory, at));
  at += (arguments + 2) * sizeof(u64);
  while (TRY(read_word(memory, at)) != 0) at += sizeof(u64);
  at += sizeof(u64);
  constexpr usize kMostEntries = 64;
  for (usize i = 0; i < kMostEntries; ++i, at += 2 * sizeof(u64)) {
    const u64 key = TRY(read_word(memory, at));
    TRY(words.push_back(key));
    TRY(words.push_back(TRY(read_word(memory, at + sizeof(u64)))));
    if (key == 0) break;
  }
  return words;
}

}  // namespace narwhal
