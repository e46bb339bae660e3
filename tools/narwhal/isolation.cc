#include "tools/narwhal/isolation.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace narwhal::tools {

pid_t fork_into_namespaces() {
  constexpr unsigned long kNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                                        CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  return static_cast<pid_t>(syscall(SYS_clone, kNamespaces | SIGCHLD, 0, 0, 0, 0));
}

bool leave_file_system() {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
  // Some of the places where it could be put may be missing.
  constexpr const char* kPlaces[] = {"/proc", "/tmp", "/dev"};
  for (const char* const place : kPlaces) {
    if (mount("none", place, "tmpfs", kFlags, "nr_inodes=1,mode=0555") != 0) continue;
    if (chdir(place) != 0) return false;
    // Where the root is no mount (chroot(2), an initial root file system) it can't be exchanged.
    if (syscall(SYS_pivot_root, ".", ".") != 0) return chroot(".") == 0;
    return umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
  }
  return false;
}

void start_by_descriptor(int image_fd, char* const* words) {
  char* const no_environment[] = {nullptr};
  syscall(SYS_execveat, image_fd, "", words, no_environment, AT_EMPTY_PATH);
}

}  // namespace narwhal::tools
