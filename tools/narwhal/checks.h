// What would go wrong later is said before anything starts, and in our words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/narwhal/values.h"

namespace narwhal::tools {

// Throws Error when a port cannot be bound: in use, not allowed, no such address.
void check_ports(const std::vector<PortForward>& ports);

// Where the kernel is: `wanted` (--kernel), $NARWHAL_KERNEL, next to this command in Bazel's
// runfiles, or in
// ../lib/narwhal. Throws Error when there is none, or it is no kernel for x86-64.
std::string find_kernel(const std::string& wanted, const std::string& command_name,
                        bool is_process);

// The memory that the kernel's image takes when it is loaded: the span of its PT_LOAD segments.
uint64_t kernel_size(const std::string& kernel);

// Throws Error when the guest would not even get to its program.
void check_memory(uint64_t memory, uint64_t archive, uint64_t kernel);

}  // namespace narwhal::tools
