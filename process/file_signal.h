// Signals about files: SIGIO, or what F_SETSIG says instead (fcntl(2)).
#pragma once

#include "fs/core/async_signals.h"

namespace narwhal {

// Sends it to the file's owner, as far as whoever named the owner may send signals there. Any
// context that may take thread_list_lock.
void signal_file_owner(const FileNews& news);

// Whether there is still somebody of that name.
bool owner_exists(const FileOwner& owner);

// Lets owners of files and holders of leases be told (fs/core/async_signals.h, lease.h). Once, when
// the machine starts.
void file_signals_init();

}  // namespace narwhal
