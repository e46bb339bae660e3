// Signals about files: SIGIO, or what F_SETSIG says instead (fcntl(2)).
#pragma once

#include "fs/core/file.h"

namespace narwhal {

// Tells the owner of an open file that something happened to it. `code`: POLL_IN and its kin;
// `band`: the same in the bits of poll(2); `fd`: as the owner knows the file. Any context that may
// take thread_list_lock.
void signal_file_owner(File& file, i32 fd, i32 code, i64 band);

// Lets holders of leases be told (fs/core/lease.h). Once, when the machine starts.
void file_signals_init();

}  // namespace narwhal
