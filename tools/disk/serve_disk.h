// The process that reads and writes a file for the kernel as a process: README.md.
#pragma once

#include <cstdint>
#include <span>

#include "kernel/drivers/host/disk_message.h"

namespace narwhal::tools {

// `narwhal serve-disk SOCKET DISK MEMORY MEMORY_SIZE ro|rw`: descriptors, and bytes. Serves until
// the other end closes.
int serve_disk(int argc, const char* const* argv);

namespace disk {

struct Server {
  int disk = -1;
  uint64_t disk_size = 0;
  bool read_only = false;
  std::span<std::byte> memory;  // the guest's

  // Does what is asked; 0 or errno. Who asks is not trusted: what reaches beyond the disk or the
  // memory is EINVAL. Any number of threads.
  int answer(const disk_message::Question& question,
             std::span<const disk_message::Place> places) const;
};

}  // namespace disk

}  // namespace narwhal::tools
