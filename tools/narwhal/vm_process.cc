#include "tools/narwhal/vm_process.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tools/base/error.h"
#include "tools/narwhal/channels.h"

namespace narwhal::tools {

namespace {

enum class Step : int { kNone, kFork, kLeaveFileSystem, kStart };

// What a child that is not the wanted program yet says of itself, on a pipe that exec(2) closes.
struct Trouble {
  Step step = Step::kNone;
  int error = 0;
};

struct Start {
  char* const* words;
  const std::vector<int>& inherited;
  int output;
  int trouble_read, trouble_write;
  const Isolation* isolation;
  bool in_namespaces;

  void tell(Step step) const {
    const Trouble trouble{step, errno};
    const ssize_t ignored = write(trouble_write, &trouble, sizeof trouble);
    static_cast<void>(ignored);
  }
};

// Between fork and exec: only calls that are safe there. Returns only on failure, with errno.
void become(const Start& start) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Our parent may have died before the line above; then nobody reads the pipe any more. (Its
  // process number says nothing in a namespace of our own.)
  close(start.trouble_read);
  pollfd reader = {start.trouble_write, 0, 0};
  if (poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR) != 0) _exit(0);
  const int null = open("/dev/null", O_RDWR);
  if (null < 0 || dup2(null, 0) < 0 || dup2(start.output, 1) < 0 || dup2(start.output, 2) < 0)
    return;
  for (const int fd : start.inherited) {
    if (fcntl(fd, F_SETFD, 0) != 0) return;
  }
  if (start.isolation == nullptr) {
    execvp(start.words[0], start.words);
    return;
  }
  if (start.in_namespaces && !leave_file_system()) start.tell(Step::kLeaveFileSystem);
  start_by_descriptor(start.isolation->image_fd, start.words);
}

// The child, and what it said before it became the program: kStart is the last word.
std::pair<pid_t, std::vector<Trouble>> try_to_start(Start start) {
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) fail("cannot make a pipe: {}", strerror(errno));
  UniqueFd trouble_read(start.trouble_read = pipe[0]);
  UniqueFd trouble_write(start.trouble_write = pipe[1]);
  const pid_t child = start.in_namespaces ? fork_into_namespaces() : fork();
  if (child < 0) return {-1, {{Step::kFork, errno}}};
  if (child == 0) {
    become(start);
    start.tell(Step::kStart);
    _exit(127);
  }
  trouble_write.reset();
  std::vector<Trouble> all;
  for (Trouble trouble; read(trouble_read.get(), &trouble, sizeof trouble) == sizeof trouble;)
    all.push_back(trouble);
  if (all.empty() || all.back().step != Step::kStart) return {child, all};
  waitpid(child, nullptr, 0);
  return {-1, all};
}

}  // namespace

VmProcess::VmProcess(const std::vector<std::string>& command, const std::vector<int>& inherited,
                     const std::optional<Isolation>& isolation, const std::string& package) {
  SocketPair output = make_socket_pair();
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);

  Start start = {words.data(),
                 inherited,
                 output.theirs.get(),
                 -1,
                 -1,
                 isolation ? &*isolation : nullptr,
                 isolation && isolation->wants_namespaces};
  std::vector<Trouble> troubles;
  std::tie(pid_, troubles) = try_to_start(start);
  if (start.in_namespaces) {
    isolation_ = "namespaces of its own, with an empty root";
    if (pid_ >= 0 && !troubles.empty()) {
      isolation_ = fmt::format("namespaces of its own, but the root is the machine's ({})",
                               strerror(troubles.front().error));
    } else if (pid_ < 0) {
      isolation_ = fmt::format("no namespaces ({})", strerror(troubles.back().error));
      start.in_namespaces = false;
      std::tie(pid_, troubles) = try_to_start(start);
    }
  }
  if (pid_ < 0) {
    const auto [step, error] = troubles.back();
    if (step == Step::kFork) fail("cannot start a process: {}", strerror(error));
    if (error == ENOENT && !isolation) {
      fail("{} was not found; install it (on Debian and Ubuntu: apt install {})", command.front(),
           package);
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
