// The control channel: lines to and from the host's `narwhal` command (docs/boot-contract.md).
#pragma once

#include "kernel/drivers/console_port.h"

namespace narwhal {

// Starts to listen; null: there is no such channel, and what is said here goes nowhere.
void start_control(Ref<ConsolePort> port);

// One line, without its end. Thread context.
void tell_host(std::string_view line);

// Tells how the program ended (a status as wait4(2) stores it), lets the streams run dry and
// switches the machine off.
[[noreturn]] void end_machine(i32 wait_status);
// The program could not be started.
[[noreturn]] void fail_machine(std::string_view why, u8 status);

// Waits at the end until the host has what was written here.
void add_drained_port(Ref<ConsolePort> port);

}  // namespace narwhal
