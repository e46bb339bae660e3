// The handlers' declarations, made from the table. Each handler is in the file of its family.
#pragma once

#include "kernel/abi/epoll.h"
#include "kernel/abi/signal.h"
#include "kernel/abi/system.h"
#include "kernel/abi/timer.h"
#include "kernel/abi/timex.h"
#include "syscalls/table.h"

namespace narwhal::sys {

#define NARWHAL_WITH_TASK(...) (Task & task __VA_OPT__(, ) __VA_ARGS__)
#define SYSCALL(nr, name, params, support, note) SysResult name NARWHAL_WITH_TASK params;
#define SYSCALL_NONE(nr, name, note)
#include "syscalls/table.def"
#undef SYSCALL
#undef SYSCALL_NONE

}  // namespace narwhal::sys
