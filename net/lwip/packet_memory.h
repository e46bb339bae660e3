// How much memory packets may occupy in queues of sockets, all together: what was received and not
// read, and what was sent and not acknowledged. Short of it, windows and send buffers are small.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::net {

// Called with the core lock held.
class PacketMemory {
 public:
  void set_budget(usize bytes) { budget_ = bytes; }
  void add(usize bytes) { used_ += bytes; }
  void remove(usize bytes) { used_ -= bytes; }
  usize used() const { return used_; }
  bool is_short() const { return used_ > budget_; }

 private:
  usize used_ = 0;
  usize budget_ = 64 * kMiB;  // core_init() knows better
};
extern constinit PacketMemory packet_memory;

}  // namespace narwhal::net
