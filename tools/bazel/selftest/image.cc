// C++ in a kernel image: relocations and the third-party libraries.

#include <cstddef>
#include <cstdint>

#include "tools/bazel/selftest/third_party.h"

namespace narwhal {
namespace {

void use_libraries() {
  char text[64];
  const uint8_t code[] = {0x90};
  disassemble(code, text);
}

struct Row {
  const char* name;
  void (*handler)();
};

}  // namespace

// Named by the entry code, so that the linker keeps it: a table of pointers, so that the image has
// relocations.
extern "C" constinit const Row narwhal_selftest_table[] = {
    {"use_libraries", use_libraries},
};

}  // namespace narwhal
