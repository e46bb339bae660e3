// Who may look into whom (ptrace(2), "Ptrace access mode checking").
#pragma once

#include "process/pid_table.h"

namespace narwhal {

// PTRACE_MODE_READ: the same process; or all of the target's user and group ids are the actor's
// and it is dumpable; or CAP_SYS_PTRACE. `by_fs_ids`: PTRACE_MODE_FSCREDS, as /proc asks.
bool may_inspect(const Task& actor, const Task& target, bool by_fs_ids = false);

}  // namespace narwhal
