// Descriptors of single threads: PIDFD_THREAD of pidfd_open(2), CLONE_PIDFD of a thread, and whom
// pidfd_send_signal(2) is told to send to.
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/epoll.h>

#include <atomic>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/processes/child.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
#ifndef PIDFD_SIGNAL_THREAD
#define PIDFD_SIGNAL_THREAD (1u << 0)
#define PIDFD_SIGNAL_THREAD_GROUP (1u << 1)
#define PIDFD_SIGNAL_PROCESS_GROUP (1u << 2)
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace compat {
namespace {

int open_process(pid_t pid, unsigned flags = 0) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, flags));
}
int send(int pidfd, int signal, unsigned flags = 0, siginfo_t* info = nullptr) {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, signal, info, flags));
}
short events(int pidfd, int timeout = 0) {
  pollfd poll_fd{pidfd, POLLIN, 0};
  return poll(&poll_fd, 1, timeout) < 0 ? short{-1} : poll_fd.revents;
}

// A thread that waits until it is let go.
class Waiting {
 public:
  Waiting() {
    sem_init(&go_, 0, 0);
    sem_init(&ready_, 0, 0);
    pthread_create(&thread_, nullptr, body, this);
    sem_wait(&ready_);
  }
  ~Waiting() { end(); }
  pid_t tid() const { return tid_; }
  void end() {
    if (ended_) return;
    ended_ = true;
    sem_post(&go_);
    pthread_join(thread_, nullptr);
  }

 private:
  static void* body(void* argument) {
    auto& self = *static_cast<Waiting*>(argument);
    self.tid_ = static_cast<pid_t>(syscall(SYS_gettid));
    sem_post(&self.ready_);
    while (sem_wait(&self.go_) != 0) {
    }
    return nullptr;
  }
  sem_t go_, ready_;
  pthread_t thread_;
  std::atomic<pid_t> tid_{0};
  bool ended_ = false;
};

class ThreadPidFd : public testing::Test {
 protected:
  void SetUp() override {
    if (Fd(open_process(getpid(), PIDFD_THREAD)) < 0) GTEST_SKIP() << "before Linux 6.9";
  }
};

std::atomic<pid_t> receiver;
std::atomic<int> code;
void note_receiver(int, siginfo_t* info, void*) {
  code = info->si_code;
  receiver = static_cast<pid_t>(syscall(SYS_gettid));
}
class Receiver {
 public:
  Receiver() {
    receiver = 0;
    struct sigaction action = {};
    action.sa_sigaction = note_receiver;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR1, &action, &old_);
  }
  ~Receiver() { sigaction(SIGUSR1, &old_, nullptr); }

 private:
  struct sigaction old_;
};

TEST_F(ThreadPidFd, Opens) {
  Waiting thread;
  Fd fd = open_process(thread.tid(), PIDFD_THREAD);
  ASSERT_OK(fd);
  EXPECT_EQ(O_RDWR | O_EXCL, fcntl(fd, F_GETFL) & (O_ACCMODE | O_EXCL));
  EXPECT_EQ(O_RDWR, fcntl(Fd(open_process(getpid())), F_GETFL) & (O_ACCMODE | O_EXCL));
  EXPECT_OK(Fd(open_process(thread.tid(), PIDFD_THREAD | O_NONBLOCK)));
  EXPECT_NE(std::string::npos, read_file("/proc/self/fdinfo/" + std::to_string(fd))
                                   .find("Pid:\t" + std::to_string(thread.tid()) + "\n"));
}

TEST_F(ThreadPidFd, IsReadableWhenTheThreadHasEnded) {
  Waiting thread;
  Fd fd = open_process(thread.tid(), PIDFD_THREAD), epoll = epoll_create1(0);
  epoll_event event{EPOLLIN, {}};
  ASSERT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
  EXPECT_EQ(0, events(fd));
  EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
  thread.end();
  EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 10'000));
  EXPECT_TRUE(events(fd, 10'000) & POLLIN);
  EXPECT_TRUE(eventually([&] { return events(fd) == (POLLIN | POLLHUP); }));
  EXPECT_ERRNO(ESRCH, send(fd, 0));
  EXPECT_NE(std::string::npos,
            read_file("/proc/self/fdinfo/" + std::to_string(fd)).find("Pid:\t-1\n"));
}

TEST_F(ThreadPidFd, HangsUpWhenTheProcessWasWaitedFor) {
  const pid_t pid = spawn([] { return 0; });
  Fd fd = open_process(pid), thread = open_process(pid, PIDFD_THREAD);
  EXPECT_EQ(POLLIN, events(fd, 10'000));
  EXPECT_EQ(POLLIN, events(thread, 10'000));
  EXPECT_EQ(0, outcome(pid));
  EXPECT_EQ(POLLIN | POLLHUP, events(fd));
  EXPECT_EQ(POLLIN | POLLHUP, events(thread));
}

TEST_F(ThreadPidFd, SendsToThatThread) {
  Receiver handler;
  Waiting thread;
  Fd fd = open_process(thread.tid(), PIDFD_THREAD);
  EXPECT_OK(send(fd, 0));
  ASSERT_OK(send(fd, SIGUSR1));
  EXPECT_TRUE(eventually([&] { return receiver == thread.tid(); }));
  EXPECT_EQ(SI_TKILL, code);
  receiver = 0;
  ASSERT_OK(send(fd, SIGUSR1, PIDFD_SIGNAL_THREAD));
  EXPECT_TRUE(eventually([&] { return receiver == thread.tid(); }));
  // The group's signal goes to the thread that is asked first.
  receiver = 0;
  ASSERT_OK(send(fd, SIGUSR1, PIDFD_SIGNAL_THREAD_GROUP));
  EXPECT_TRUE(eventually([&] { return receiver != 0; }));
  EXPECT_EQ(SI_USER, code);
}

TEST_F(ThreadPidFd, OfAProcessMaySendToItsLeaderAlone) {
  Receiver handler;
  sigset_t blocked, old;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  Waiting thread;
  pthread_sigmask(SIG_BLOCK, &blocked, &old);
  Fd fd = open_process(getpid());
  ASSERT_OK(send(fd, SIGUSR1, PIDFD_SIGNAL_THREAD));
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(1, sigismember(&pending, SIGUSR1));
  nap(10);
  EXPECT_EQ(0, receiver) << "nobody else takes it";
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  EXPECT_EQ(getpid(), receiver);
}

TEST_F(ThreadPidFd, SendsToTheProcessGroup) {
  Gate gate;
  const pid_t leader = spawn([&] {
    setpgid(0, 0);
    gate.open();
    for (;;) pause();
    return 0;
  });
  gate.pass();
  const pid_t member = spawn([&] {
    setpgid(0, leader);
    gate.open();
    for (;;) pause();
    return 0;
  });
  gate.pass();
  Fd fd = open_process(leader), other = open_process(member);
  EXPECT_ERRNO(ESRCH, send(other, SIGTERM, PIDFD_SIGNAL_PROCESS_GROUP)) << "leads no group";
  EXPECT_OK(send(fd, 0, PIDFD_SIGNAL_PROCESS_GROUP));
  siginfo_t info{};
  info.si_signo = SIGTERM;
  info.si_code = SI_USER;
  EXPECT_ERRNO(EPERM, send(fd, SIGTERM, PIDFD_SIGNAL_PROCESS_GROUP, &info));
  EXPECT_OK(send(fd, SIGTERM, PIDFD_SIGNAL_PROCESS_GROUP));
  EXPECT_EQ(-SIGTERM, outcome(leader));
  EXPECT_EQ(-SIGTERM, outcome(member));
}

TEST_F(ThreadPidFd, FlagsAreChecked) {
  Fd fd = open_process(getpid());
  EXPECT_ERRNO(EINVAL, send(fd, 0, 8));
  EXPECT_ERRNO(EINVAL, send(fd, 0, PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_THREAD_GROUP));
  EXPECT_ERRNO(EINVAL, send(fd, 0, PIDFD_SIGNAL_THREAD_GROUP | PIDFD_SIGNAL_PROCESS_GROUP));
  EXPECT_OK(send(fd, 0, PIDFD_SIGNAL_THREAD_GROUP));
}

TEST_F(ThreadPidFd, OfAThreadIsNotWaitedFor) {
  Waiting thread;
  Fd fd = open_process(thread.tid(), PIDFD_THREAD);
  siginfo_t info;
  EXPECT_ERRNO(ECHILD, waitid(static_cast<idtype_t>(P_PIDFD), fd, &info, WEXITED));
  const pid_t pid = spawn([] { return 3; });
  Fd leader = open_process(pid, PIDFD_THREAD);
  ASSERT_OK(waitid(static_cast<idtype_t>(P_PIDFD), leader, &info, WEXITED));
  EXPECT_EQ(3, info.si_status);
}

TEST_F(ThreadPidFd, GivesDescriptors) {
  Waiting thread;
  Fd fd = open_process(thread.tid(), PIDFD_THREAD), file = memfd_create("a", 0);
  Fd copy = static_cast<int>(syscall(SYS_pidfd_getfd, fd.operator int(), file.operator int(), 0));
  EXPECT_OK(copy);
}

int wait_for_word(void* word) {
  while (*static_cast<std::atomic<int>*>(word) == 0) sched_yield();
  syscall(SYS_exit, 0);
  return 0;
}

TEST_F(ThreadPidFd, OfAThreadThatIsMade) {
  static char stack[64 * 1024];
  std::atomic<int> word{0};
  int number = -1;
  const int tid =
      clone(wait_for_word, stack + sizeof stack,
            CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_PIDFD, &word,
            &number);
  ASSERT_OK(tid);
  Fd fd = number;
  EXPECT_EQ(O_RDWR | O_EXCL, fcntl(fd, F_GETFL) & (O_ACCMODE | O_EXCL));
  EXPECT_EQ(0, events(fd));
  EXPECT_OK(send(fd, 0));
  word = 1;
  EXPECT_TRUE(events(fd, 10'000) & POLLIN);
}

}  // namespace
}  // namespace compat
