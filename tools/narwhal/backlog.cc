#include "tools/narwhal/backlog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "tools/base/host_view.h"
#include "tools/base/unique_fd.h"

namespace narwhal::tools {

namespace {

constexpr int kBacklog = 4096;  // Linux cuts it down to net.core.somaxconn

bool is_listener_of(int fd, const std::vector<PortForward>& ports) {
  int listens = 0;
  socklen_t size = sizeof listens;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) return false;
  sockaddr_in address = {};
  size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
  if (address.sin_family != AF_INET) return false;
  return std::any_of(ports.begin(), ports.end(), [&](const PortForward& port) {
    return !port.is_udp && htons(port.host_port) == address.sin_port;
  });
}

}  // namespace

int lengthen_backlogs(pid_t qemu, const std::vector<PortForward>& ports) {
  if (ports.empty()) return 0;
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, qemu, 0)));
  if (!process) return 0;
  int changed = 0;
  for (const std::string& name : HostView().list(fmt::format("/proc/{}/fd", qemu))) {
    int number = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), number).ec != std::errc()) continue;
    const UniqueFd copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), number, 0)));
    if (copy && is_listener_of(copy.get(), ports) && listen(copy.get(), kBacklog) == 0) ++changed;
  }
  return changed;
}

bool can_lengthen_backlogs() {
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    pause();
    _exit(0);
  }
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  const UniqueFd copy(
      process ? static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), STDERR_FILENO, 0)) : -1);
  // A descriptor that is not open here either says nothing against it.
  const bool allowed = copy || (process && errno == EBADF);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return allowed;
}

}  // namespace narwhal::tools
