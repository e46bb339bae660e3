// The writer: a host thread beside the one virtual CPU, which writes packets in its place.
//
// A write to a network card takes the host longer than it takes us to make the packet: before the
// call returns, the host's own protocols have taken it, and whoever reads it there is woken. A CPU
// without an idle moment leaves that to the writer, where another processor has time for it. With
// several virtual CPUs there is none: they use the other processors.
//
// It sleeps until the first job, is confined like every thread of this process, takes no signals
// and runs nothing of the program's.
#pragma once

#include "kernel/platform/process/write_queue.h"

namespace narwhal::process_home {

// A device has a use for it. Before confine().
void want_writer();
// By confine(): made with this seccomp filter, where it is wanted. Without one, nothing else fails.
void start_writer(const void* filter, u16 count);
bool has_writer();

// The functions below: one caller at a time, where there is a writer.

// The place of the next job; null while all wait for the writer or for being taken back.
WriteJob* next_write();
void post_write();
// A job that is done, until the next post_write(); or null.
const WriteJob* take_back_write();
// Returns when all are done; or a second later, if the writer does not get to them. Also where
// there is none.
void finish_writes();

}  // namespace narwhal::process_home
