// Who a signal is meant for, and whether the caller may send it: kill(2).
#pragma once

#include "process/task.h"

namespace narwhal {

// Sends to one process, or to one task, with the checks of kill(2): EINVAL for what is no signal,
// EPERM. Signal 0 is only checked.
Result<> send_checked(Task& sender, Process& process, i32 signal, const abi::SignalInfo& info);
Result<> send_checked(Task& sender, Task& task, i32 signal, const abi::SignalInfo& info);

// The process that a number stands for, be it a thread's. Null: ESRCH.
Ref<Process> find_signal_target(u32 pid);

// kill(2) with 0 and below: the members of a group, or everybody.
Result<> send_to_group(Task& sender, u32 group, i32 signal, const abi::SignalInfo& info);
Result<> send_to_all(Task& sender, i32 signal, const abi::SignalInfo& info);

}  // namespace narwhal
