// What the kernel as a process and the server of its disk (tools/disk) say to each other, over a
// socket that keeps messages apart (SOCK_SEQPACKET). Both are programs of this machine, and numbers
// are as it has them.
//
// A question is a head and then the places of its data in the memory file; the data itself is not
// sent. Any number of questions may be on their way, and answers come in any order.
#pragma once

#include <cstdint>

namespace narwhal::disk_message {

enum class Operation : uint32_t { kRead, kWrite, kFlush, kDiscard, kWriteZeroes };

struct Place {
  uint64_t offset;  // in the memory file
  uint64_t size;
};
inline constexpr uint32_t kMostPlaces = 64;

struct Question {
  uint64_t id;  // comes back with the answer
  Operation operation;
  uint32_t place_count;
  uint64_t offset;  // on the disk, bytes
  uint64_t size;    // kDiscard, kWriteZeroes: bytes
  uint32_t may_unmap;
  uint32_t padding;
};

struct Answer {
  uint64_t id;
  int32_t error;  // errno, or 0
  uint32_t padding;
};

}  // namespace narwhal::disk_message
