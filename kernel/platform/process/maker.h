// The host process that makes the others (host_process.h).
//
// It is made before the confinement and stays outside of it, so it must not depend on anything that
// a program can write: its stack and its copy of the filter are private memory, its code and
// constants come from the executable file, and of the shared memory it reads one number, how many
// host processes are wanted. It makes them from itself, a template whose program half is empty, one
// after the other up to a fixed number, each confined before it looks at anything shared. Each has
// a thread for each virtual CPU, which it makes before it is confined.
#pragma once

#include "kernel/platform/process/host_process.h"

namespace narwhal::process_home {

extern HostProcess host_processes[kMostHostProcesses];
// Futex word: how many there should be, the first included.
extern u32 processes_wanted;
// The maker's last word: the filter has ended one of them, and so all end. It comes before the
// signals do, those of the maker's end and of its orphans', of which any may be the first.
extern u32 one_was_filtered;
// Of each CPU, where the signal stacks for its seats in all host processes begin.
extern u64 signal_stacks[kMostCpus];

// And the further CPUs' threads in this one. False: the host gives none.
bool make_maker(const void* filter, u16 count);

}  // namespace narwhal::process_home
