#pragma once

// The compiler and the machine, as lwIP wants to hear of them. C, because lwIP includes it.
// The functions named narwhal_lwip_* are the kernel's side; net/lwip defines them.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>  // ssize_t

#ifdef __cplusplus
extern "C" {
#endif

// 16-byte aligned memory, or null. Never sleeps.
void* narwhal_lwip_malloc(size_t size);
// The same, zeroed; null where count * size overflows.
void* narwhal_lwip_calloc(size_t count, size_t size);
void narwhal_lwip_free(void* memory);
// Unpredictable: ports and DHCP transactions depend on it.
uint32_t narwhal_lwip_random(void);
// The Internet checksum's sum, not yet inverted, of memory at any address (RFC 1071).
uint16_t narwhal_lwip_checksum(const void* data, int length);
// Debug builds: the core lock is held.
void narwhal_lwip_assert_locked(void);
// An invariant of lwIP's does not hold: says so and stops.
__attribute__((noreturn)) void narwhal_lwip_assertion_failed(const char* message, const char* file,
                                                             int line);

#ifdef __cplusplus
}
#endif

#ifndef BYTE_ORDER
#define BYTE_ORDER LITTLE_ENDIAN
#endif

// lwIP's own are functions, called for each field of each header.
#define lwip_htons(x) __builtin_bswap16(x)
#define lwip_htonl(x) __builtin_bswap32(x)

#define LWIP_NO_UNISTD_H 1
#ifndef SSIZE_MAX
#define SSIZE_MAX INT64_MAX  // else lwIP makes an ssize_t of its own
#endif
#define LWIP_NO_INTTYPES_H 0
// Handlers turn err_t into Linux's errno themselves.
#undef LWIP_PROVIDE_ERRNO

#define LWIP_RAND() narwhal_lwip_random()
#define LWIP_PLATFORM_DIAG(x) \
  do {                        \
  } while (0)
#define LWIP_PLATFORM_ASSERT(message) narwhal_lwip_assertion_failed(message, __FILE__, __LINE__)
