// When changed pages go to their disks: a few seconds after the change, when memory is short, when
// the last opener has closed, when a program asks, and when the machine ends.
#pragma once

#include "kernel/base/types.h"

namespace narwhal {

// Starts the thread that does it. ENOMEM is said in the log, and everything then waits for somebody
// to ask.
void start_write_back();

// There is something to write, from now on. Any context but under a spinlock of lower rank than a
// wait queue's.
void write_back_soon();
// At once.
void write_back_now();

// sync(2), and the end of the machine: everything, on all disks, kept through a loss of power.
void sync_all_disks();

// For writers: when too much of the memory is changed pages, they write back themselves.
void limit_changed_pages(class DiskPages& pages);

}  // namespace narwhal
