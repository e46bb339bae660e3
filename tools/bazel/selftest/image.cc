// C++ in a kernel image: relocations, the third-party libraries, and what they ask of the kernel.

#include <cstddef>
#include <cstdint>

#include "tools/bazel/selftest/third_party.h"

extern "C" {
void* narwhal_lwip_malloc(size_t) {
  return nullptr;
}
void* narwhal_lwip_calloc(size_t, size_t) {
  return nullptr;
}
void narwhal_lwip_free(void*) {}
uint32_t narwhal_lwip_random() {
  return 0;
}
void narwhal_lwip_assertion_failed(const char*, const char*, int) {
  __builtin_trap();
}
uint32_t sys_now() {
  return 0;
}
}

namespace narwhal {
namespace {

void use_libraries() {
  char text[64];
  const uint8_t code[] = {0x90};
  disassemble(code, text);
  lwip_round_trip();
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
