// Whatever the bytes are, the reader ends, and its members lie within the archive.
#include <cstdlib>

#include "fs/archive/cpio.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  using namespace narwhal;
  // A copy of exactly this size, so that AddressSanitizer sees every step beyond its end.
  auto* copy = static_cast<std::byte*>(std::malloc(size ? size : 1));
  for (size_t i = 0; i < size; ++i) copy[i] = std::byte(data[i]);
  const std::span<const std::byte> archive(copy, size);

  CpioReader reader(archive);
  CpioMember member;
  u64 last = 0;
  for (bool first = true;; first = false) {
    auto more = reader.next(member);
    if (!more.ok()) {
      Text<256> text;
      reader.describe(text);
      if (text.view().empty()) std::abort();
      break;
    }
    if (!more.take()) break;
    if (!first && member.header_offset <= last) std::abort();
    last = member.header_offset;
    if (member.data_offset > size || member.data.size() > size - member.data_offset) std::abort();
    unsigned sum = 0;
    for (std::byte b : member.data) sum += unsigned(b);
    for (char c : archive_path(member.name)) sum += unsigned(c);
    volatile unsigned sink = sum;
    static_cast<void>(sink);
  }
  std::free(copy);
  return 0;
}
