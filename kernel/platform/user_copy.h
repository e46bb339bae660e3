// The only way to the program's memory: copies that recover when the memory is not there.
//
// A copy may fault, and the fault may sleep (it may wait for memory or a page). So: no spinlock may
// be held, and no lock at or below LockRank::kAddressSpace (kernel/sync/lock_rank.h).
//
// Each function returns the number of bytes NOT copied, 0 meaning success, so that callers can
// report partial work as Linux does. Addresses outside the program's half copy nothing.
#pragma once

#include "kernel/base/addr.h"
#include "kernel/base/result.h"

namespace narwhal::platform {

[[nodiscard]] usize copy_from_user(void* to, UserAddr from, usize size);
[[nodiscard]] usize copy_to_user(UserAddr to, const void* from, usize size);
[[nodiscard]] usize zero_user(UserAddr to, usize size);

// Copies a string with its NUL. Returns its length without the NUL; EFAULT; ENAMETOOLONG when no
// NUL is found in `capacity` bytes.
Result<usize> copy_string_from_user(char* to, UserAddr from, usize capacity);

// Atomic access to an aligned 32-bit word, for futexes. EFAULT when it can't be reached. These
// never sleep: they fail with EFAULT when the page is not present and writable right now; touch the
// page with `prefault` and try again.
Result<u32> atomic_load_user(UserAddr address);
// Stores `desired` if the word is `expected`; returns what was there.
Result<u32> atomic_compare_exchange_user(UserAddr address, u32 expected, u32 desired);

// Makes the page of `address` present (writable if asked), as an access would. EFAULT.
Result<> prefault_user(UserAddr address, bool write);

}  // namespace narwhal::platform
