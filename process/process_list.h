// All processes of some kind, at one moment.
#pragma once

#include "kernel/base/vector.h"
#include "process/pid_table.h"

namespace narwhal {

// References to those that `wanted` accepts, which is asked under thread_list_lock; what may not be
// done under it, such as looking at credentials, can be done to the result. ENOMEM.
template <typename Wanted>
Result<Vector<Ref<Process>>> collect_processes(Wanted wanted) {
  for (usize room = 16;; room *= 2) {
    Vector<Ref<Process>> found;
    TRY(found.reserve(room));
    usize count = 0;
    {
      SpinGuard guard(thread_list_lock);
      pid_table::processes().for_each([&](Process& process) {
        if (!wanted(process)) return;
        if (++count <= room) found.push_back(Ref<Process>(&process)).ignore();
      });
    }
    if (count <= room) return found;
  }
}

}  // namespace narwhal
