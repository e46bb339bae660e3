// clone(2), for who makes host threads and processes.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::process_home {

// What it wants for a thread: memory, files, signal handlers and all else is shared (CLONE_VM,
// CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD, CLONE_SYSVSEM).
inline constexpr u64 kHostThread = 0x100 | 0x200 | 0x400 | 0x800 | 0x1'0000 | 0x4'0000;

}  // namespace narwhal::process_home

// The child calls function(argument) on the stack that ends at `stack`, with the signals blocked
// that are now. Returns its number, or minus errno. Hidden: the maker may read no table of
// addresses.
#pragma GCC visibility push(hidden)
extern "C" narwhal::i64 narwhal_clone_at(narwhal::u64 flags, void* stack, void (*function)(void*),
                                         void* argument);
#pragma GCC visibility pop
