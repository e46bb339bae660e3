// On whose behalf a socket's operation runs. Sockets stand below processes, so whoever stands above
// says it: syscalls/ defines the function, and so do tests.
#pragma once

#include "fs/core/vfs.h"

namespace narwhal {

struct SocketActor {
  FsContext& fs;
  const CredentialsRef& credentials;
  i32 pid;
  u64 open_files_limit;  // RLIMIT_NOFILE

  vfs::Actor file_actor() const { return {fs, *credentials}; }
};

// The caller of the system call that is under way.
SocketActor socket_actor();

}  // namespace narwhal
