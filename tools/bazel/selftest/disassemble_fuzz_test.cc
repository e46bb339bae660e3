#include <cstdlib>

#include "tools/bazel/selftest/third_party.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  char text[256];
  const size_t length = narwhal::disassemble({data, size}, text);
  if (length > size || length > 15) std::abort();
  return 0;
}
