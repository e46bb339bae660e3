// Tests that are programs: each test runs as process 1 of a machine of the fake home, makes system
// calls, forks, and handles signals, all in C++.
//
// There is no CPU that would follow rip, so this stands in for one: where a signal frame was
// pushed, the handler that belongs to the address runs and returns through rt_sigreturn(2); where a
// call was set back to its `syscall` instruction, it is made again.
#pragma once

#include <functional>

#include "kernel/abi/signal_frame.h"
#include "process/signals.h"
#include "process/task.h"

namespace narwhal::test_program {

// --- system calls by the current task; what comes back in rax.
i64 call(u64 number, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0, u64 e = 0, u64 f = 0);
// Of the last call made here, signals included: how often it was started.
usize call_starts();

// --- memory of the program's, for arguments: where `size` bytes lie that are used for nothing
// else.
UserAddr memory(usize size = kPageSize);
template <typename T>
UserAddr put(const T& value) {
  const UserAddr at = memory(sizeof value);
  if (platform::copy_to_user(at, &value, sizeof value) != 0) panic("the program has no memory");
  return at;
}
template <typename T>
T look(UserAddr at) {
  T value{};
  if (platform::copy_from_user(&value, at, sizeof value) != 0) panic("the program can't read");
  return value;
}
// An address where nothing is.
inline constexpr UserAddr kNowhere{0x1000'0000};

// --- signals
struct Caught {
  abi::SignalInfo info;    // zero without SA_SIGINFO but for the number
  abi::UContext* context;  // changes are written back to the frame
  UserAddr frame;
};
using Handler = std::function<void(Caught&)>;
// Makes `handler` the action. Returns what rt_sigaction(2) says.
i64 handle(Signal signal, Handler handler, u64 flags = abi::kActionSigInfo, SignalSet mask = {});
i64 set_action(Signal signal, u64 handler);
// Blocks, or unblocks.
void block(SignalSet set);
void unblock(SignalSet set);

// What the CPU would report of the program: the upcalls, and the way back.
void page_fault(UserAddr address, Protection access);
void trap(u8 vector, u64 error = 0, u64 address = 0);
// An interrupt came: the way back to the program and nothing else.
void interrupt();

// --- processes and threads; `body` runs as the new task's program, and its end is exit(0).
i32 fork(std::function<void()> body);
// With flags of clone(2); `parent_tid` is its third argument.
i32 fork_with(u64 flags, UserAddr parent_tid, std::function<void()> body);
i32 start_thread(std::function<void()> body);
// wait4(2): the status, or the error.
i64 wait_for(i32 pid, i32 options = 0);
// Lets the others run until all of them sleep or have ended.
void let_others_run();

}  // namespace narwhal::test_program
