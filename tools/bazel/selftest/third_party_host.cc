#include <cstdint>
#include <cstdlib>

#include "arch/cc.h"

extern "C" {

void* narwhal_lwip_malloc(size_t size) {
  return malloc(size);
}
void* narwhal_lwip_calloc(size_t count, size_t size) {
  return calloc(count, size);
}
void narwhal_lwip_free(void* memory) {
  free(memory);
}
uint32_t narwhal_lwip_random(void) {
  return 4;
}
void narwhal_lwip_assertion_failed(const char*, const char*, int) {
  abort();
}
uint32_t sys_now(void);
uint32_t sys_now(void) {
  return 0;
}

}  // extern "C"
