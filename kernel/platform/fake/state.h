// What the parts of the fake home know of each other.
#pragma once

#include "kernel/platform/fake/fake_machine.h"

namespace narwhal::fake {

// Delivers what is pending, if interrupts are enabled.
void deliver_interrupts();
// True when something will interrupt an idle CPU.
bool interrupt_pending();
// Leaves the body of run(). Panics outside of one.
[[noreturn]] void leave_run(RunEnd end);
void set_power_off_status(u8 status);

// The bytes behind a page of the program's that allows `access`, or null. `page_end` receives how
// far they reach.
std::byte* user_bytes(UserAddr address, Protection access, usize& room, bool& present);

}  // namespace narwhal::fake
