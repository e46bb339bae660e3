// Which system calls can become direct calls.
#pragma once

#include <span>

#include "kernel/platform/rewrite/stub.h"

namespace narwhal::rewrite {

// How much code before a `syscall` is worth giving to find_site().
inline constexpr usize kContext = 80;

// `before` is code that ends where a `syscall` begins, `call` the address of that, `number` what it
// just asked for. Tells whether the instruction before can be replaced by a jump, and which it is.
// Fewer bytes than kContext mean that the code begins there.
bool find_site(std::span<const std::byte> before, u64 call, u64 number, Site& out);

}  // namespace narwhal::rewrite
