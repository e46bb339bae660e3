// From the `syscall` instruction to the handler and back: counting, tracing, and telling of calls
// that are missing.
#pragma once

#include "syscalls/table.h"

namespace narwhal {

// Called once for each call number that a program tried and the table does not have, with its name.
using MissingCallReporter = void (*)(std::string_view name, u32 number);
void set_missing_call_reporter(MissingCallReporter reporter);

// Where strace-style lines go while tracing is on; each ends with a newline. Turning tracing on
// marks the task (it and the threads that it makes carry UserWork::kTrace).
using TraceWriter = void (*)(std::string_view line);
void set_trace_writer(TraceWriter writer);

// How often each call was made since boot, by number.
u64 syscall_count(u32 number);

// The last calls before a panic, newest first, one line each. Takes no lock and allocates nothing.
void print_recent_calls(void (*line)(std::string_view text));

}  // namespace narwhal
