#include "kernel/platform/user_copy.h"

#include "kernel/platform/cpu_local.h"
#include "kernel/platform/upcalls.h"
#include "kernel/platform/x86/recovery.h"

extern "C" {
narwhal::usize narwhal_user_copy(void* to, const void* from, narwhal::usize size);
narwhal::usize narwhal_user_zero(void* to, narwhal::usize size);
narwhal::isize narwhal_user_string(char* to, const char* from, narwhal::usize capacity);
bool narwhal_user_load32(narwhal::u32* value, const void* from);
bool narwhal_user_cas32(narwhal::u32* expected_and_found, void* at, narwhal::u32 desired);
}

namespace narwhal {

// An entry of the exception table: offsets from the fields themselves (user_copy.S).
struct Recovery {
  i32 instruction;
  i32 resume;
};
extern "C" const Recovery kernel_exception_table_start[], kernel_exception_table_end[];

u64 x86::recovery_of(u64 rip) {
  for (const Recovery* entry = kernel_exception_table_start; entry < kernel_exception_table_end;
       ++entry)
    if (reinterpret_cast<u64>(&entry->instruction) + u64(i64(entry->instruction)) == rip)
      return reinterpret_cast<u64>(&entry->resume) + u64(i64(entry->resume));
  return 0;
}

}  // namespace narwhal

namespace narwhal::platform {

using x86::program_may_have;

usize copy_from_user(void* to, UserAddr from, usize size) {
  if (!program_may_have(from, size)) return size;
  return narwhal_user_copy(to, reinterpret_cast<const void*>(from.value), size);
}

usize copy_to_user(UserAddr to, const void* from, usize size) {
  if (!program_may_have(to, size)) return size;
  return narwhal_user_copy(reinterpret_cast<void*>(to.value), from, size);
}

usize zero_user(UserAddr to, usize size) {
  if (!program_may_have(to, size)) return size;
  return narwhal_user_zero(reinterpret_cast<void*>(to.value), size);
}

Result<usize> copy_string_from_user(char* to, UserAddr from, usize capacity) {
  const usize reach = x86::program_reach(from);
  if (reach == 0) return Errno::kFault;
  const isize length = narwhal_user_string(to, reinterpret_cast<const char*>(from.value),
                                           capacity < reach ? capacity : reach);
  if (length == -2 && capacity <= reach) return Errno::kNameTooLong;
  if (length < 0) return Errno::kFault;
  return usize(length);
}

// Interrupts off keep the trap handler from bringing the page in: these must not sleep.
Result<u32> atomic_load_user(UserAddr address) {
  if (!program_may_have(address, sizeof(u32))) return Errno::kFault;
  InterruptGuard guard;
  u32 value;
  if (!narwhal_user_load32(&value, reinterpret_cast<const void*>(address.value)))
    return Errno::kFault;
  return value;
}

Result<u32> atomic_compare_exchange_user(UserAddr address, u32 expected, u32 desired) {
  if (!program_may_have(address, sizeof(u32))) return Errno::kFault;
  InterruptGuard guard;
  u32 value = expected;
  if (!narwhal_user_cas32(&value, reinterpret_cast<void*>(address.value), desired))
    return Errno::kFault;
  return value;
}

Result<> prefault_user(UserAddr address, bool write) {
  if (!program_may_have(address, 1)) return Errno::kFault;
  const upcall::PageFault fault{address, write ? Protection::kWrite : Protection::kRead, false};
  if (!upcall::on_page_fault(fault, nullptr)) return Errno::kFault;
  return {};
}

}  // namespace narwhal::platform
