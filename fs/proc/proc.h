// /proc: proc(5). Here is what needs no processes; process/, ipc/ and net/ add theirs through
// fs/proc/tree.h.
#pragma once

#include "kernel/base/result.h"

namespace narwhal {

// Makes the tree, with what this folder tells of the machine and its settings. Called once. ENOMEM.
Result<> proc_init();

}  // namespace narwhal
