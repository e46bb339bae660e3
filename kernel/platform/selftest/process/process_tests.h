#pragma once

#include "kernel/platform/selftest/selftest.h"

namespace narwhal::selftest {

// A frame with a byte of its own.
PhysAddr marked_frame(char mark);
// What the current address space has there; '-': nothing.
char byte_at(UserAddr address);

// After start_maker().
void test_host_processes();

}  // namespace narwhal::selftest
