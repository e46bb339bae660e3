// Loads the program and starts it as the first process.
#pragma once

#include "kernel/init/settings.h"
#include "process/fd_table.h"

namespace narwhal {

// On failure `problem` says, for the user, why the program can't be run.
Result<> start_program(const BootSettings& settings, Ref<FdTable> files, TextSink& problem);
// As env(1) and shells count: 127 for what is not there, 126 for what can't be executed.
u8 start_failure_status(Errno error);

}  // namespace narwhal
