// What lwIP asks of the kernel (port/arch/cc.h).
#include <cstring>

#include "arch/cc.h"
#include "kernel/base/format.h"
#include "kernel/base/panic.h"
#include "kernel/mm/heap.h"
#include "kernel/platform/machine.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/random.h"

namespace narwhal::net {

Errno to_errno(err_t error) {
  switch (error) {
    case ERR_OK:
      return Errno{};
    case ERR_MEM:
    case ERR_BUF:
      return Errno::kNoBufs;
    case ERR_TIMEOUT:
      return Errno::kTimedOut;
    case ERR_RTE:
      return Errno::kNetUnreach;
    case ERR_INPROGRESS:
      return Errno::kInProgress;
    case ERR_WOULDBLOCK:
      return Errno::kAgain;
    case ERR_USE:
      return Errno::kAddrInUse;
    case ERR_ALREADY:
      return Errno::kAlready;
    case ERR_ISCONN:
      return Errno::kIsConn;
    case ERR_CONN:
    case ERR_CLSD:
      return Errno::kNotConn;
    case ERR_IF:
      return Errno::kNetDown;
    case ERR_ABRT:
      return Errno::kConnAborted;
    case ERR_RST:
      return Errno::kConnReset;
    default:
      return Errno::kInval;
  }
}

}  // namespace narwhal::net

using namespace narwhal;

extern "C" {

void* narwhal_lwip_malloc(size_t size) {
  return heap_allocate(size);
}
void* narwhal_lwip_calloc(size_t count, size_t size) {
  return heap_allocate_zeroed(count, size);
}
void narwhal_lwip_free(void* memory) {
  heap_free(memory);
}

uint32_t narwhal_lwip_random(void) {
  return net::random32();
}

void narwhal_lwip_assert_locked(void) {
  DEBUG_ASSERT(net::core_lock.held());
}

void narwhal_lwip_assertion_failed(const char* message, const char*, int) {
  panic(message);
}

// Milliseconds since boot, for what lwIP measures itself.
u32_t sys_now(void);
u32_t sys_now(void) {
  return u32_t(platform::monotonic_ns() / kNanosPerMilli);
}

// Eight bytes at a time with the carries added back. Unaligned loads are fine here, and adding in
// little-endian order gives the sum in little-endian order (RFC 1071, section 2).
uint16_t narwhal_lwip_checksum(const void* data, int length) {
  const auto* at = static_cast<const u8*>(data);
  u64 sum = 0;
  auto add = [&](u64 word) {
    sum += word;
    sum += sum < word;
  };
  u64 words[4];
  for (; length >= 32; length -= 32, at += 32) {
    std::memcpy(words, at, 32);
    add(words[0]);
    add(words[1]);
    add(words[2]);
    add(words[3]);
  }
  for (; length >= 8; length -= 8, at += 8) {
    std::memcpy(words, at, 8);
    add(words[0]);
  }
  // No memcpy of a length that the compiler does not know: that is a call for each packet's header.
  const auto add_rest = [&]<typename Word>(Word word) {
    if (length < int(sizeof word)) return;
    std::memcpy(&word, at, sizeof word);
    add(word);
    at += sizeof word;
    length -= int(sizeof word);
  };
  add_rest(u32{});
  add_rest(u16{});
  add_rest(u8{});
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return u16(sum);
}

}  // extern "C"
