// Namespaces for a child, made before it becomes another program. What runs in a child between fork
// and exec uses only calls that are safe there.
#pragma once

#include <sys/types.h>

namespace narwhal::tools {

// What the child is cut off from.
struct Isolation {
  // The program, which is started by this descriptor and inherits it: there is no file system to
  // find it in.
  int image_fd = -1;
  // User, mount (with an empty root), pid, net, ipc, uts and cgroup namespaces of its own, where
  // this machine lets the user have them.
  bool wants_namespaces = true;
};

// fork(2) into namespaces of its own. Like fork's, the result; EPERM, ENOSPC, EINVAL: not here.
pid_t fork_into_namespaces();

// In such a child: an empty file system in place of the root, in which nothing can be made. False,
// with errno: the root is as it was.
bool leave_file_system();

// execve(2) of a descriptor, without an environment. Returns only on failure. In namespaces it
// takes away what rights they gave: their user is none that they know.
void start_by_descriptor(int image_fd, char* const* words);

}  // namespace narwhal::tools
