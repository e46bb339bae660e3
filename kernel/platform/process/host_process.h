// Host processes as address spaces (docs/decisions/0042-host-processes.md).
//
// The program's half of a host process is a cache of one guest address space's page tables
// (host_mappings.cc). All of them share the window, the memory file and the descriptors. A virtual
// CPU runs in one of them at a time; going to another address space means that a thread of another
// host process takes over: it loads the kernel's stack pointer, and the first waits for its turn.
#pragma once

#include "kernel/base/addr.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/process/layout.h"

namespace narwhal::process_home {

// The first, which the host's execve made, included. With more address spaces in use at a time they
// take turns, and each turn begins with an empty cache.
inline constexpr usize kMostHostProcesses = 64;

// The place of a virtual CPU in a host process: one host thread. hand_over.S knows the offsets.
struct Seat {
  u32 turn = kAway;  // futex word: whether the CPU is here
  u32 exit_status = 0;
  u64 stack = 0;    // where the CPU goes on when it comes here
  int process = 0;  // the host's numbers of both
  int thread = 0;
  u64 armed = 0;  // what its timer is set to; platform::kNoDeadline from when there is one
  // Reading the time stamp counter is a fault of this host thread: from the way back to a program
  // that asked for it, until the kernel reads it, or another program's turn comes.
  bool hides_time_stamp = false;
  u32 bound_to = 0;  // the host's processor that it is bound to, and one more; 0: none

  static constexpr u32 kAway = 0, kHere = 1, kExit = 2;
};

struct HostProcess {
  enum State : u32 { kNone, kReady, kFailed };

  u32 state = kNone;  // futex word: whoever makes it changes it
  u64 root = 0;       // the page tables that the program's half is a cache of; 0: none
  u64 last_used = 0;  // a count, for finding the one that was used longest ago
  // What it must forget before the program runs in it again.
  struct Range {
    u64 start, end;
  };
  static constexpr usize kMostStale = 8;
  Range stale[kMostStale] = {};
  u32 stale_count = 0;
  bool all_stale = false;
  bool start_is_forgotten = false;  // what only the start of its program needed (time.cc)
  Seat seats[kMostCpus];
};

// Bytes of a signal stack; it is aligned to its size. entry.S knows it.
inline constexpr u64 kSignalStackSize = 64 * kKiB;

// That in which a CPU runs, this one's, and its seat there.
HostProcess& where(u32 cpu);
HostProcess& here();
bool in_first();
Seat& seat();

// It may read the time stamp counter again.
void show_time_stamp();

// The host process that remembers mappings of a root, or null. `hint` stays with the root.
HostProcess* process_of(u64 root, u64 hint);
// The same for who has no hint.
HostProcess* process_with(u64 root);
// Takes this CPU to the host process of a root; there is one afterwards. Interrupts are held back.
void go_to(u64 root, u64& hint);
// Whether another CPU is in it.
bool is_shared(const HostProcess& process);
// This CPU is in another host process for a while. Interrupts are held back.
class Visit : NonCopyable {
 public:
  explicit Visit(HostProcess& process);
  ~Visit();

 private:
  HostProcess& from_;
};

// A signal came to a thread whose signal stack begins there: whether this CPU runs in it.
bool is_here(u64 signal_stack);
// Its timer fired, and fires once. Whether it was due by our clock says nothing about that.
void timer_fired(u64 signal_stack);

// The first host process and its first seat.
void host_processes_init();
// From now on others can be made, by one more host process that does nothing else, confined by
// `filter` (struct sock_filter[count]; null: not at all). Called before the program's first
// instruction; what it uses later it copies now, to where the program cannot write. The further
// CPUs' threads of the first are made, and confined, at once, and as many host processes as there
// are CPUs.
void start_maker(const void* filter, u16 count);

// How many are in use or were.
usize host_process_count();

// The first host process ends with this status, and so all do.
[[noreturn]] void end_all(u8 status);

}  // namespace narwhal::process_home
