// Descriptors of processes: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2).
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/processes/child.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace compat {
namespace {

constexpr pid_t kNobody = 4'000'000;

int open_process(pid_t pid, unsigned flags = 0) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, flags));
}
int send(int pidfd, int signal, siginfo_t* info = nullptr, unsigned flags = 0) {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, signal, info, flags));
}
int take(int pidfd, int fd, unsigned flags = 0) {
  return static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, fd, flags));
}
bool has_ended(int pidfd, int timeout = 0) {
  pollfd poll_fd{pidfd, POLLIN, 0};
  return poll(&poll_fd, 1, timeout) == 1 && (poll_fd.revents & POLLIN) != 0;
}
int wait_pidfd(int pidfd, int options = WEXITED) {
  siginfo_t info{};
  return waitid(static_cast<idtype_t>(P_PIDFD), pidfd, &info, options) == 0 ? info.si_status : -1;
}

TEST(PidFd, Opens) {
  Fd fd = open_process(getpid());
  ASSERT_OK(fcntl(fd, F_GETFD));
  EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
  EXPECT_ERRNO(EINVAL, open_process(0));
  EXPECT_ERRNO(EINVAL, open_process(-1));
  EXPECT_ERRNO(EINVAL, open_process(getpid(), 1));
  EXPECT_ERRNO(ESRCH, open_process(kNobody));
}

TEST(PidFd, IsReadableWhenTheProcessHasEnded) {
  Gate gate;
  const pid_t pid = spawn([&] { return gate.pass(), 0; });
  Fd fd = open_process(pid);
  EXPECT_FALSE(has_ended(fd));
  gate.open();
  EXPECT_TRUE(has_ended(fd, 10'000));
  EXPECT_EQ(0, outcome(pid));
  EXPECT_TRUE(has_ended(fd));
}

TEST(PidFd, WorksWithEpoll) {
  const pid_t pid = spawn([] { return nap(50), 0; });
  Fd fd = open_process(pid), epoll = epoll_create1(0);
  epoll_event event{EPOLLIN, {.u32 = 5}};
  ASSERT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
  EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 10'000));
  EXPECT_EQ(5u, event.data.u32);
  EXPECT_EQ(0, outcome(pid));
}

TEST(PidFd, SendsSignals) {
  const pid_t pid = spawn_sleeper();
  Fd fd = open_process(pid);
  EXPECT_OK(send(fd, 0));
  EXPECT_OK(send(fd, SIGTERM));
  EXPECT_EQ(-SIGTERM, outcome(pid));
  EXPECT_ERRNO(ESRCH, send(fd, 0));
}

TEST(PidFd, ADirectoryOfProcIsOneForSignals) {
  const pid_t pid = spawn_sleeper();
  const std::string path = "/proc/" + std::to_string(pid);
  Fd directory = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  Fd task = open((path + "/task/" + std::to_string(pid)).c_str(), O_RDONLY | O_DIRECTORY);
  Fd other = open("/proc", O_RDONLY | O_DIRECTORY);
  Fd only_path = open(path.c_str(), O_PATH);
  EXPECT_OK(send(directory, 0));
  EXPECT_ERRNO(EBADF, send(task, 0));
  EXPECT_ERRNO(EBADF, send(other, 0));
  EXPECT_ERRNO(EBADF, send(only_path, 0));
  EXPECT_ERRNO(EBADF, take(directory, 0)) << "only for signals";
  EXPECT_OK(send(directory, SIGTERM));
  EXPECT_EQ(SIGTERM, WTERMSIG(wait_status(pid)));
  EXPECT_ERRNO(ESRCH, send(directory, 0));
}

TEST(PidFd, SendsToZombies) {
  const pid_t pid = spawn([] { return 0; });
  Fd fd = open_process(pid);
  EXPECT_TRUE(has_ended(fd, 10'000));
  EXPECT_OK(send(fd, SIGTERM));
  EXPECT_EQ(0, outcome(pid));
}

TEST(PidFd, SendsInformation) {
  ScopedAction handle(SIGUSR1, record_signal);
  record.count = 0;
  Fd fd = open_process(getpid());
  siginfo_t info{};
  info.si_signo = SIGUSR1;
  info.si_code = SI_QUEUE;
  info.si_value.sival_int = 55;
  EXPECT_OK(send(fd, SIGUSR1, &info));
  ASSERT_EQ(1u, record.count);
  EXPECT_EQ(55, record.entries[0].value);
  EXPECT_EQ(SI_QUEUE, record.entries[0].code);
}

TEST(PidFd, RefusesForgedSenders) {
  const pid_t pid = spawn_sleeper();
  Fd fd = open_process(pid);
  siginfo_t info{};
  info.si_signo = SIGUSR1;
  info.si_code = SI_USER;
  EXPECT_ERRNO(EPERM, send(fd, SIGUSR1, &info));
  info.si_code = SI_TKILL;
  EXPECT_ERRNO(EPERM, send(fd, SIGUSR1, &info));
  info.si_code = SI_QUEUE;
  EXPECT_ERRNO(EINVAL, send(fd, SIGUSR2, &info));
  end_child(pid);
}

TEST(PidFd, RefusesWhatIsNoProcess) {
  Fd file = open("/dev/null", O_RDONLY);
  EXPECT_ERRNO(EBADF, send(file, 0));
  EXPECT_ERRNO(EBADF, send(999, 0));
  Fd fd = open_process(getpid());
  EXPECT_ERRNO(EINVAL, send(fd, 65));
  EXPECT_ERRNO(EINVAL, send(fd, 0, nullptr, 1u << 20));
  EXPECT_ERRNO(EFAULT, send(fd, SIGUSR1, bad_pointer<siginfo_t>()));
}

TEST(PidFd, ADirectoryOfProcDoesAsWell) {
  const pid_t child = spawn_sleeper();
  const Fd directory(open(("/proc/" + std::to_string(child)).c_str(), O_DIRECTORY));
  ASSERT_GE(directory, 0);
  EXPECT_OK(send(directory, 0));
  const Fd tasks(open(("/proc/" + std::to_string(child) + "/task").c_str(), O_DIRECTORY));
  EXPECT_ERRNO(EBADF, send(tasks, 0));
  EXPECT_OK(send(directory, SIGKILL));
  EXPECT_EQ(-SIGKILL, outcome(child));
  EXPECT_ERRNO(ESRCH, send(directory, 0));
  const Fd root(open("/proc", O_DIRECTORY));
  EXPECT_ERRNO(EBADF, send(root, 0));
}

TEST(PidFd, NeedsTheRightToSend) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  Fd fd = open_process(getpid());
  EXPECT_EQ(EPERM, run_child([&] {
              if (setuid(1000) != 0) return 0;
              return send(fd, 0) == -1 ? errno : 0;
            }));
}

TEST(PidFd, IsWaitedFor) {
  const pid_t other = spawn([] { return 1; }), pid = spawn([] { return 2; });
  Fd fd = open_process(pid);
  EXPECT_EQ(2, wait_pidfd(fd));
  EXPECT_ERRNO(ECHILD, wait_pidfd(fd));
  EXPECT_EQ(1, outcome(other));
}

TEST(PidFd, OfAnotherIsNotWaitedFor) {
  Fd fd = open_process(getpid());
  EXPECT_ERRNO(ECHILD, wait_pidfd(fd));
  Fd file = open("/dev/null", O_RDONLY);
  EXPECT_ERRNO(EBADF, wait_pidfd(file));
  EXPECT_ERRNO(EINVAL, wait_pidfd(-1));
}

TEST(PidFd, NonBlockingIsTriedOnly) {
  const pid_t pid = spawn_sleeper();
  Fd fd = open_process(pid, O_NONBLOCK);
  EXPECT_ERRNO(EAGAIN, wait_pidfd(fd));
  EXPECT_EQ(0, wait_pidfd(fd, WEXITED | WNOHANG));
  kill(pid, SIGKILL);
  EXPECT_TRUE(has_ended(fd, 10'000));
  EXPECT_EQ(SIGKILL, wait_pidfd(fd));
}

TEST(PidFd, TakesDescriptors) {
  Gate ready;
  Shared<int> number;
  const pid_t pid = spawn([&] {
    const int fd = memfd_create("theirs", 0);
    (void)!write(fd, "hello", 5);
    *number = fd;
    ready.open();
    for (;;) pause();
    return 0;
  });
  ready.pass();
  Fd fd = open_process(pid), copy = take(fd, *number);
  ASSERT_OK(fcntl(copy, F_GETFD));
  EXPECT_EQ(FD_CLOEXEC, fcntl(copy, F_GETFD));
  EXPECT_EQ("hello", read_fd(copy));
  EXPECT_EQ(5, position(copy));
  EXPECT_ERRNO(EBADF, take(fd, 999));
  EXPECT_ERRNO(EINVAL, take(fd, *number, 1));
  EXPECT_ERRNO(EBADF, take(copy, 0));
  end_child(pid);
  EXPECT_ERRNO(ESRCH, take(fd, *number));
}

TEST(PidFd, TellsItsNumber) {
  const pid_t pid = spawn([] { return 0; });
  Fd fd = open_process(pid);
  const std::string path = "/proc/self/fdinfo/" + std::to_string(fd);
  EXPECT_NE(std::string::npos, read_file(path).find("Pid:\t" + std::to_string(pid) + "\n"));
  EXPECT_EQ(0, outcome(pid));
  EXPECT_NE(std::string::npos, read_file(path).find("Pid:\t-1\n"));
}

// --- another's memory

TEST(ProcessMemory, IsReadAndWritten) {
  char text[] = "before";
  Gate ready, gate;
  const pid_t pid = spawn([&] {
    ready.open();
    gate.pass();
    return text[0];
  });
  ready.pass();
  strcpy(text, "parent");
  char seen[7] = {};
  iovec local{seen, 6}, remote{text, 6};
  EXPECT_EQ(6, process_vm_readv(pid, &local, 1, &remote, 1, 0));
  EXPECT_STREQ("before", seen);
  char fresh[] = "Zulu";
  local = {fresh, 4};
  remote = {text, 4};
  EXPECT_EQ(4, process_vm_writev(pid, &local, 1, &remote, 1, 0));
  gate.open();
  EXPECT_EQ('Z', outcome(pid));
  EXPECT_STREQ("parent", text);
}

TEST(ProcessMemory, IsRefused) {
  char byte = 0;
  iovec local{&byte, 1}, nowhere{bad_pointer<void>(), 1};
  EXPECT_ERRNO(ESRCH, process_vm_readv(kNobody, &local, 1, &local, 1, 0));
  EXPECT_ERRNO(EINVAL, process_vm_readv(getpid(), &local, 1, &local, 1, 1));
  EXPECT_ERRNO(EFAULT, process_vm_readv(getpid(), &local, 1, &nowhere, 1, 0));
  EXPECT_ERRNO(EINVAL, process_vm_readv(getpid(), &local, 1025, &local, 1, 0));
}

TEST(ProcessMemory, NeedsTheRight) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const pid_t self = getpid();
  char byte = 0;
  iovec local{&byte, 1};
  EXPECT_EQ(EPERM, run_child([&] {
              if (setuid(1000) != 0) return 0;
              return process_vm_readv(self, &local, 1, &local, 1, 0) == -1 ? errno : 0;
            }));
}

}  // namespace
}  // namespace compat
