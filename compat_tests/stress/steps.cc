#include "compat_tests/stress/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <vector>

namespace stress {

std::atomic<uint64_t> children{0};

void fail(const char* format, ...) {
  va_list list;
  va_start(list, format);
  fputs("stress: FAILED: ", stdout);
  vprintf(format, list);
  putchar('\n');
  fflush(stdout);
  _exit(1);
}

void nap(long microseconds) {
  const timespec time{0, microseconds * 1000};
  nanosleep(&time, nullptr);
}

namespace {

constexpr char kSelf[] = "/proc/self/exe";
constexpr size_t kPage = 4096;

int wait_for(pid_t pid, int options = 0) {
  int status = 0;
  for (;;) {
    const pid_t got = waitpid(pid, &status, options);
    if (got == pid) return status;
    if (got == -1 && errno == EINTR) continue;
    fail("waitpid(%d) returned %d: %s", pid, got, strerror(errno));
  }
}

void expect_exit(const char* what, pid_t pid, int code = kFine) {
  const int status = wait_for(pid);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
    fail("%s: child %d ended with status %x instead of exit code %d", what, pid, status, code);
}

void expect_signal(const char* what, pid_t pid, int signal) {
  const int status = wait_for(pid);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != signal)
    fail("%s: child %d ended with status %x instead of signal %d", what, pid, status, signal);
}

pid_t made(pid_t pid) {
  if (pid == -1) fail("no child could be made: %s", strerror(errno));
  ++children;
  return pid;
}

template <class Body>
pid_t spawn(Body body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  return made(pid);
}

bool read_all(int fd, void* to, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t got = read(fd, static_cast<char*>(to) + done, size - done);
    if (got == -1 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

bool write_all(int fd, const void* from, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t put = write(fd, static_cast<const char*>(from) + done, size - done);
    if (put == -1 && errno == EINTR) continue;
    if (put <= 0) return false;
    done += static_cast<size_t>(put);
  }
  return true;
}

struct Pipe {
  int ends[2];
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe: %s", strerror(errno));
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  void close_end(int which) {
    if (ends[which] >= 0) close(ends[which]);
    ends[which] = -1;
  }
};

// --- the steps

void fork_and_exit(Worker& worker) {
  const int code = static_cast<int>(worker.next() % 256);
  expect_exit("exit", spawn([=] { return code; }), code);
}

void fork_and_exec(Worker&) {
  expect_exit("exec", spawn([] {
                execl(kSelf, "stress", kFineArgument, nullptr);
                return 1;
              }));
}

void vfork_and_exec(Worker&) {
  const pid_t pid = vfork();
  if (pid == 0) {
    execl(kSelf, "stress", kFineArgument, nullptr);
    _exit(1);
  }
  expect_exit("vfork", made(pid));
}

void kill_a_sleeper(Worker& worker) {
  const int signals[] = {SIGKILL, SIGTERM, SIGINT, SIGUSR2, SIGRTMAX};
  const int signal = signals[worker.next() % 5];
  const pid_t pid = spawn([] {
    for (;;) pause();
    return 1;
  });
  if (worker.next() % 2) nap(worker.next() % 2000);
  if (kill(pid, signal) != 0) fail("kill: %s", strerror(errno));
  expect_signal("sleeper", pid, signal);
}

void kill_a_runner(Worker& worker) {
  const pid_t pid = spawn([] {
    for (volatile uint64_t i = 0;; i = i + 1) {
    }
    return 1;
  });
  nap(worker.next() % 1000);
  kill(pid, SIGKILL);
  expect_signal("runner", pid, SIGKILL);
}

void stop_and_continue(Worker&) {
  const pid_t pid = spawn([] {
    for (;;) pause();
    return 1;
  });
  kill(pid, SIGSTOP);
  if (!WIFSTOPPED(wait_for(pid, WUNTRACED))) fail("a child did not stop");
  kill(pid, SIGCONT);
  if (!WIFCONTINUED(wait_for(pid, WCONTINUED))) fail("a child did not go on");
  kill(pid, SIGTERM);
  expect_signal("stopped", pid, SIGTERM);
}

int family(int depth, int width) {
  if (depth == 0) return kFine;
  pid_t members[4];
  for (int i = 0; i < width; ++i) {
    members[i] = fork();
    if (members[i] == 0) _exit(family(depth - 1, width));
    if (members[i] == -1) return 2;
  }
  for (int i = 0; i < width; ++i) {
    int status = 0;
    if (waitpid(members[i], &status, 0) != members[i]) return 3;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != kFine) return 4;
  }
  return kFine;
}

void make_a_family(Worker& worker) {
  const int depth = static_cast<int>(worker.next() % 3) + 1;
  expect_exit("family", spawn([=] { return family(depth, 2); }));
}

void wait_by_descriptor(Worker& worker) {
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  const long delay = worker.next() % 1000;
  const pid_t pid = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid == 0) {
    nap(delay);
    _exit(kFine);
  }
  made(pid);
  pollfd poll_fd{pidfd, POLLIN, 0};
  while (poll(&poll_fd, 1, -1) == -1 && errno == EINTR) {
  }
  siginfo_t info{};
  if (waitid(static_cast<idtype_t>(3 /* P_PIDFD */), static_cast<id_t>(pidfd), &info,
             WEXITED | WNOHANG) != 0 ||
      info.si_pid != pid || info.si_status != kFine)
    fail("a process descriptor did not tell of its process's end");
  close(pidfd);
}

void end_among_threads(Worker& worker) {
  const bool exec = worker.next() % 2, by_thread = worker.next() % 2;
  expect_exit("threads", spawn([=] {
                std::vector<std::thread> threads;
                for (int i = 0; i < 3; ++i)
                  threads.emplace_back([] {
                    for (;;) nap(100);
                  });
                const auto end = [=] {
                  if (exec) execl(kSelf, "stress", kFineArgument, nullptr);
                  _exit(exec ? 1 : kFine);
                };
                if (!by_thread) end();
                std::thread(end).join();
                return 5;
              }));
}

void queue_signals(Worker& worker) {
  constexpr int kCount = 20;
  Pipe ready;
  const int sent_signal = SIGRTMIN + static_cast<int>(worker.next() % 8);
  const pid_t pid = spawn([&] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sent_signal);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    if (!write_all(ready.ends[1], "x", 1)) return 1;
    for (int i = 0; i < kCount; ++i) {
      siginfo_t info{};
      while (sigwaitinfo(&set, &info) == -1) {
      }
      if (info.si_value.sival_int != i) return 2;
    }
    return kFine;
  });
  char byte;
  if (!read_all(ready.ends[0], &byte, 1)) fail("a receiver did not get ready");
  for (int i = 0; i < kCount; ++i)
    if (sigqueue(pid, sent_signal, {.sival_int = i}) != 0) fail("sigqueue: %s", strerror(errno));
  expect_exit("queue", pid);
}

void talk_through_a_pipe(Worker& worker) {
  Pipe pipe;
  const size_t size = worker.next() % 200'000;
  const uint8_t seed = static_cast<uint8_t>(worker.next());
  const pid_t pid = spawn([&] {
    pipe.close_end(0);
    std::vector<uint8_t> data(size);
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<uint8_t>(seed + i % 251);
    return write_all(pipe.ends[1], data.data(), size) ? kFine : 1;
  });
  pipe.close_end(1);
  std::vector<uint8_t> data(size);
  if (!read_all(pipe.ends[0], data.data(), size)) fail("a pipe ended early");
  for (size_t i = 0; i < size; ++i)
    if (data[i] != static_cast<uint8_t>(seed + i % 251)) fail("a pipe changed a byte");
  expect_exit("pipe", pid);
}

void copy_on_write(Worker& worker) {
  const size_t pages = worker.next() % 64 + 1;
  auto* memory = static_cast<uint64_t*>(
      mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  auto* shared = static_cast<uint64_t*>(
      mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (memory == MAP_FAILED || shared == MAP_FAILED) fail("mmap: %s", strerror(errno));
  constexpr size_t kWords = kPage / sizeof(uint64_t);
  for (size_t i = 0; i < pages; ++i) memory[i * kWords] = i + 1;
  const pid_t pid = spawn([=] {
    for (size_t i = 0; i < pages; ++i) {
      if (memory[i * kWords] != i + 1) return 1;
      memory[i * kWords] = shared[i * kWords] = 1000 + i;
    }
    return kFine;
  });
  for (size_t i = 0; i < pages; i += 2) memory[i * kWords] += 7;
  expect_exit("memory", pid);
  for (size_t i = 0; i < pages; ++i)
    if (memory[i * kWords] != i + 1 + (i % 2 == 0 ? 7 : 0) || shared[i * kWords] != 1000 + i)
      fail("page %zu of %zu is %ju, shared %ju", i, pages, uintmax_t(memory[i * kWords]),
           uintmax_t(shared[i * kWords]));
  munmap(memory, pages * kPage);
  munmap(shared, pages * kPage);
}

// The orphan comes to us, who are a subreaper.
void adopt_an_orphan(Worker& worker) {
  Pipe pipe;
  const long delay = worker.next() % 500;
  expect_exit("middle", spawn([&] {
                const pid_t pid = fork();
                if (pid == 0) {
                  nap(delay);
                  _exit(kFine);
                }
                return write_all(pipe.ends[1], &pid, sizeof pid) ? kFine : 1;
              }));
  pid_t orphan = 0;
  if (!read_all(pipe.ends[0], &orphan, sizeof orphan)) fail("no word of an orphan");
  made(orphan);
  expect_exit("orphan", orphan);
}

void crash(Worker& worker) {
  const bool in_thread = worker.next() % 2;
  expect_signal("crash", spawn([=] {
                  const auto fault = [] { *reinterpret_cast<volatile int*>(16) = 1; };
                  if (in_thread)
                    std::thread(fault).join();
                  else
                    fault();
                  return 1;
                }),
                SIGSEGV);
}

void signal_a_group(Worker& worker) {
  constexpr int kMembers = 3;
  pid_t members[kMembers];
  for (int i = 0; i < kMembers; ++i) {
    members[i] = spawn([] {
      for (;;) pause();
      return 1;
    });
    setpgid(members[i], members[0]);
  }
  const int signal = worker.next() % 2 ? SIGTERM : SIGKILL;
  if (kill(-members[0], signal) != 0) fail("kill of a group: %s", strerror(errno));
  for (const pid_t member : members) expect_signal("group", member, signal);
}

constexpr Step kAll[] = {
    {"fork and exit", fork_and_exit},
    {"fork and exec", fork_and_exec},
    {"vfork and exec", vfork_and_exec},
    {"kill a sleeper", kill_a_sleeper},
    {"kill a runner", kill_a_runner},
    {"stop and continue", stop_and_continue},
    {"a family", make_a_family},
    {"wait by descriptor", wait_by_descriptor},
    {"end among threads", end_among_threads},
    {"queue signals", queue_signals},
    {"a pipe", talk_through_a_pipe},
    {"copy on write", copy_on_write},
    {"an orphan", adopt_an_orphan},
    {"a crash", crash},
    {"a group", signal_a_group},
};

}  // namespace

const std::span<const Step> kSteps(kAll);

}  // namespace stress
