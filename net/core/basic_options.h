// Options of SOL_SOCKET that a family without a network keeps and reports, and that change nothing
// else there (socket(7)).
#pragma once

#include <span>

#include "kernel/abi/socket.h"
#include "kernel/base/atomic.h"
#include "kernel/base/result.h"

namespace narwhal {

// What setsockopt(2) takes for most options. EINVAL when there are too few bytes.
Result<i32> option_int(std::span<const std::byte> value);
// Writes a value as getsockopt(2) does, cut to the room there is. Returns the bytes written.
usize put_option(std::span<std::byte> out, const void* value, usize size);
inline usize put_option(std::span<std::byte> out, i32 value) {
  return put_option(out, &value, sizeof value);
}

class BasicOptions {
 public:
  static constexpr i32 kMostBuffer = 212'992;  // /proc/sys/net/core/[rw]mem_max
  static constexpr i32 kLeastSendBuffer = 4608;
  static constexpr i32 kLeastReceiveBuffer = 2304;

  // ENOPROTOOPT for what it does not know; EINVAL, EPERM.
  Result<> set(int name, std::span<const std::byte> value);
  Result<usize> get(int name, std::span<std::byte> out) const;

  // What SO_SNDBUF and SO_RCVBUF make of a wish: twice as much, within limits.
  static i32 buffer_size(i32 wanted, i32 least, bool forced);
  i32 receive_buffer() const { return receive_buffer_.load(Order::kRelaxed); }

 private:
  struct Linger {
    i32 on;
    i32 seconds;
  };
  static int bit_of(int name);

  Atomic<u32> switches_{0};
  Atomic<i32> receive_buffer_{kMostBuffer};
  Atomic<i32> receive_low_water_{1};
  Atomic<i32> priority_{0};
  Atomic<i32> mark_{0};
  Atomic<i32> linger_on_{0}, linger_seconds_{0};
};

}  // namespace narwhal
