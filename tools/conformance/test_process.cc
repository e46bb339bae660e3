#include "tools/conformance/test_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tools/base/unique_fd.h"

namespace narwhal::tools {

namespace {

constexpr double kTimeToDie = 10;  // seconds, for what got SIGKILL

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// ppoll(2) with SIGCHLD let in, for at most `seconds`.
void wait_for(pollfd* polled, nfds_t count, double seconds) {
  seconds = std::clamp(seconds, 0.0, 3600.0);
  const auto whole = static_cast<time_t>(seconds);
  const timespec time = {whole, static_cast<long>((seconds - static_cast<double>(whole)) * 1e9)};
  sigset_t mask;
  sigprocmask(SIG_BLOCK, nullptr, &mask);
  sigdelset(&mask, SIGCHLD);
  if (ppoll(polled, count, &time, &mask) < 0) {
    for (nfds_t i = 0; i < count; ++i) polled[i].revents = 0;
  }
}

// False when nothing more can come.
bool read_some(int fd, BoundedText& output) {
  char buffer[16 << 10];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got > 0) {
      output.add(std::string_view(buffer, static_cast<size_t>(got)));
      if (static_cast<size_t>(got) < sizeof buffer) return true;
      continue;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR);
  }
}

std::vector<pid_t> children() {
  std::vector<pid_t> found;
  DIR* const folder = opendir("/proc");
  if (folder == nullptr) return found;
  while (const dirent* const entry = readdir(folder)) {
    const pid_t pid = atoi(entry->d_name);
    if (pid <= 0) continue;
    const std::string path = std::string("/proc/") + entry->d_name + "/stat";
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char text[512] = {};
    if (!file || read(file.get(), text, sizeof text - 1) <= 0) continue;
    // The name may hold anything, so what follows is looked for from the end.
    const char* const after_name = strrchr(text, ')');
    char state = 0;
    int parent = 0;
    if (after_name != nullptr && sscanf(after_name + 1, " %c %d", &state, &parent) == 2 &&
        parent == getpid()) {
      found.push_back(pid);
    }
  }
  closedir(folder);
  return found;
}

[[noreturn]] void become(const std::string& command,
                         const std::map<std::string, std::string>& environment,
                         const std::string& folder, int output) {
  setsid();
  // Past the C library, which keeps two of them to itself: zeros mean the default.
  const char defaults[32] = {};
  for (int signal = 1; signal < NSIG; ++signal) {
    syscall(SYS_rt_sigaction, signal, defaults, nullptr, sizeof(uint64_t));
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = open("/dev/null", O_RDONLY);
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (input > STDERR_FILENO) close(input);
  if (chdir(folder.c_str()) != 0) {
    perror(folder.c_str());
    _exit(126);
  }
  std::vector<std::string> words;
  for (const auto& [name, value] : environment) words.push_back(name + "=" + value);
  std::vector<char*> variables;
  for (std::string& word : words) variables.push_back(word.data());
  variables.push_back(nullptr);
  std::string text = command;
  char shell[] = "sh";
  char option[] = "-c";
  char* arguments[] = {shell, option, text.data(), nullptr};
  execve("/bin/sh", arguments, variables.data());
  perror("/bin/sh");
  _exit(126);
}

}  // namespace

void BoundedText::add(std::string_view text) {
  const size_t to_start = std::min(text.size(), kStart - start_.size());
  start_ += text.substr(0, to_start);
  end_ += text.substr(to_start);
  if (end_.size() > 2 * kEnd) {
    end_.erase(0, end_.size() - kEnd);
    has_gap_ = true;
  }
}

std::string BoundedText::take() {
  if (end_.size() > kEnd) {
    end_.erase(0, end_.size() - kEnd);
    has_gap_ = true;
  }
  std::string whole = std::move(start_);
  if (has_gap_) whole += "\n[...]\n";
  whole += end_;
  start_.clear();
  end_.clear();
  has_gap_ = false;
  return whole;
}

TestProcesses::TestProcesses() : is_init_(getpid() == 1) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, nullptr);
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  sigaction(SIGCHLD, &action, nullptr);
}

void TestProcesses::kill_all() {
  if (is_init_) {
    kill(-1, SIGKILL);
  } else {
    for (const pid_t pid : children()) kill(pid, SIGKILL);
  }
}

bool TestProcesses::end_left_overs() {
  const double end = now() + kTimeToDie;
  while (true) {
    kill_all();
    pid_t pid;
    do {
      pid = waitpid(-1, nullptr, WNOHANG);
    } while (pid > 0);
    if (pid < 0 && errno == ECHILD) return true;
    if (now() > end) return false;
    wait_for(nullptr, 0, 0.05);
  }
}

TestResult TestProcesses::run(const std::string& command,
                              const std::map<std::string, std::string>& environment,
                              const std::string& folder, double seconds) {
  TestResult result;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    result.runner_end = std::string("no pipe: ") + strerror(errno);
    return result;
  }
  UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  fcntl(from.get(), F_SETFL, O_NONBLOCK);
  const double start = now();
  const pid_t pid = fork();
  if (pid < 0) {
    result.runner_end = std::string("no process: ") + strerror(errno);
    return result;
  }
  if (pid == 0) become(command, environment, folder, to.get());
  to.reset();

  BoundedText output;
  bool has_ended = false;
  while (!has_ended) {
    const double left = start + seconds - now();
    if (left <= 0 && !result.time_over) {
      result.time_over = true;
      kill(-pid, SIGKILL);
      kill(pid, SIGKILL);
    }
    if (left <= -kTimeToDie) break;
    pollfd polled = {from ? from.get() : -1, POLLIN, 0};
    wait_for(&polled, 1, left > 0 ? left : left + kTimeToDie);
    if (polled.revents != 0 && !read_some(from.get(), output)) from.reset();
    while (true) {
      int status;
      const pid_t ended = waitpid(-1, &status, WNOHANG);
      if (ended <= 0) break;
      if (ended != pid) continue;
      result.status = status;
      has_ended = true;
    }
  }
  result.seconds = now() - start;
  result.left_over = !end_left_overs();
  if (from) read_some(from.get(), output);
  result.output = output.take();
  return result;
}

}  // namespace narwhal::tools
