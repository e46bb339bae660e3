// The memory of another process as a debugger wants it: ptrace(2)'s requests, /proc/PID/mem.
#pragma once

#include <span>

#include "kernel/mm/address_space.h"

namespace narwhal {

// As AddressSpace's functions, but where the program has not the right itself: guard pages can be
// read, and what is mapped without the right to write gets a page of its own, for breakpoints.
// Shared mappings stay as they are. Returns how much it was.
usize read_by_force(AddressSpace& memory, UserAddr from, std::span<std::byte> to);
usize write_by_force(AddressSpace& memory, UserAddr to, std::span<const std::byte> from);

}  // namespace narwhal
