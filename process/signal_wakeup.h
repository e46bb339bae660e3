// Telling tasks that a signal waits for them; for the files of signals only.
#pragma once

#include "process/task.h"

namespace narwhal {

// The task looks at its signals on its way back to the program, and does not sleep before.
inline void notify_of_signal(Task& task) {
  task.set_user_work(UserWork::kSignal);
  task.interrupt();
}

// `task` will not take these process-directed signals after all: wakes others that do not block
// them.
void hand_over_signals(Process& process, const Task& task, SignalSet signals);

}  // namespace narwhal
