#include "kernel/platform/user_copy.h"

#include <algorithm>
#include <cstring>

#include "kernel/platform/cpu_local.h"
#include "kernel/platform/fake/state.h"
#include "kernel/platform/upcalls.h"

namespace narwhal::platform {

namespace {

// The bytes at `address`, after as many page faults as it takes.
std::byte* reach(UserAddr address, Protection access, usize& room) {
  // A fault may sleep.
  ASSERT(fake_cpu_local.spinlock_depth == 0);
  for (int tries = 0; tries < 100; ++tries) {
    bool present;
    if (std::byte* bytes = fake::user_bytes(address, access, room, present)) return bytes;
    if (!upcall::on_page_fault({address, access, present}, nullptr)) return nullptr;
  }
  panic("on_page_fault() says that a page is there, and it is not");
}

template <typename Move>
usize copy(UserAddr address, usize size, Protection access, Move move) {
  if (!user_range_ok(address, size)) return size;
  usize done = 0;
  while (done < size) {
    usize room;
    std::byte* bytes = reach(address + done, access, room);
    if (!bytes) break;
    const usize part = std::min(room, size - done);
    move(bytes, done, part);
    done += part;
  }
  return size - done;
}

}  // namespace

usize copy_from_user(void* to, UserAddr from, usize size) {
  return copy(from, size, Protection::kRead, [&](std::byte* bytes, usize done, usize part) {
    std::memcpy(static_cast<std::byte*>(to) + done, bytes, part);
  });
}
usize copy_to_user(UserAddr to, const void* from, usize size) {
  return copy(to, size, Protection::kWrite, [&](std::byte* bytes, usize done, usize part) {
    std::memcpy(bytes, static_cast<const std::byte*>(from) + done, part);
  });
}
usize zero_user(UserAddr to, usize size) {
  return copy(to, size, Protection::kWrite,
              [](std::byte* bytes, usize, usize part) { std::memset(bytes, 0, part); });
}

Result<usize> copy_string_from_user(char* to, UserAddr from, usize capacity) {
  for (usize i = 0; i < capacity; ++i) {
    if (copy_from_user(to + i, from + i, 1) != 0) return Errno::kFault;
    if (to[i] == '\0') return i;
  }
  return Errno::kNameTooLong;
}

Result<u32> atomic_load_user(UserAddr address) {
  if (!user_range_ok(address, sizeof(u32))) return Errno::kFault;
  usize room;
  bool present;
  const std::byte* bytes = fake::user_bytes(address, Protection::kRead, room, present);
  if (!bytes) return Errno::kFault;
  u32 value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

Result<u32> atomic_compare_exchange_user(UserAddr address, u32 expected, u32 desired) {
  if (!user_range_ok(address, sizeof(u32))) return Errno::kFault;
  usize room;
  bool present;
  std::byte* bytes = fake::user_bytes(address, Protection::kWrite, room, present);
  if (!bytes) return Errno::kFault;
  u32 value;
  std::memcpy(&value, bytes, sizeof value);
  if (value == expected) std::memcpy(bytes, &desired, sizeof desired);
  return value;
}

Result<> prefault_user(UserAddr address, bool write) {
  if (!user_range_ok(address, 1)) return Errno::kFault;
  usize room;
  if (!reach(address, write ? Protection::kWrite : Protection::kRead, room)) return Errno::kFault;
  return {};
}

}  // namespace narwhal::platform
