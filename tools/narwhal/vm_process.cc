#include "tools/narwhal/vm_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tools/base/error.h"
#include "tools/narwhal/channels.h"

namespace narwhal::tools {

namespace {

// Between fork and exec: only calls that are safe there. Returns only on failure, with errno.
void become(char* const* words, const std::vector<int>& inherited, int output, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);  // it died before the line above
  const int null = open("/dev/null", O_RDWR);
  if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) return;
  for (const int fd : inherited) {
    if (fcntl(fd, F_SETFD, 0) != 0) return;
  }
  execvp(words[0], words);
}

}  // namespace

VmProcess::VmProcess(const std::vector<std::string>& command, const std::vector<int>& inherited) {
  SocketPair output = make_socket_pair();
  int failure[2];  // carries errno from a child that could not become QEMU
  if (pipe2(failure, O_CLOEXEC) != 0) fail("cannot make a pipe: {}", strerror(errno));
  UniqueFd failure_read(failure[0]);
  UniqueFd failure_write(failure[1]);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);

  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) fail("cannot start a process: {}", strerror(errno));
  if (pid_ == 0) {
    become(words.data(), inherited, output.theirs.get(), parent);
    const int error = errno;
    const ssize_t ignored = write(failure_write.get(), &error, sizeof error);
    static_cast<void>(ignored);
    _exit(127);
  }
  failure_write.reset();
  int error = 0;
  if (read(failure_read.get(), &error, sizeof error) == sizeof error) {
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    if (error == ENOENT) {
      fail("{} was not found; install it (on Debian and Ubuntu: apt install qemu-system-x86)",
           command.front());
    }
    fail("{} cannot be started: {}", command.front(), strerror(error));
  }
  errors_ = std::move(output.ours);
}

VmProcess::~VmProcess() {
  if (pid_ < 0 || ended_) return;
  kill();
  waitpid(pid_, nullptr, 0);
}

std::optional<int> VmProcess::poll_ended() {
  int status = 0;
  if (!ended_ && waitpid(pid_, &status, WNOHANG) == pid_) ended_ = status;
  return ended_;
}

void VmProcess::kill() {
  if (pid_ > 0 && !ended_) ::kill(pid_, SIGKILL);
}

}  // namespace narwhal::tools
