// System calls that another is asked about: seccomp_unotify(2). And filters that a tracer reads:
// PTRACE_SECCOMP_GET_FILTER.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <functional>
#include <vector>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/processes/child.h"

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif
#ifndef PTRACE_SECCOMP_GET_METADATA
#define PTRACE_SECCOMP_GET_METADATA 0x420d
#endif

namespace compat {
namespace {

constexpr int kQuestioned = SYS_getppid;

using Program = std::vector<sock_filter>;

Program only(unsigned call, unsigned action) {
  return {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), BPF_STMT(BPF_RET | BPF_K, action),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
}
int install(const Program& program, unsigned flags = 0) {
  const sock_fprog given = {static_cast<unsigned short>(program.size()),
                            const_cast<sock_filter*>(program.data())};
  return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &given));
}

void send_number(int socket, int fd) {
  char byte = 0, control[CMSG_SPACE(sizeof fd)] = {};
  iovec part{&byte, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  sendmsg(socket, &message, 0);
}
int take_number(int socket) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  iovec part{&byte, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, 0) != 1 || CMSG_FIRSTHDR(&message) == nullptr) return -1;
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

// A child whose getppid(2) is asked about; its end is what `body` returns.
class Asking {
 public:
  explicit Asking(const std::function<int()>& body, unsigned flags = 0) {
    int ends[2];
    EXPECT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    pid_ = spawn([&] {
      const int listener = install(only(kQuestioned, SECCOMP_RET_USER_NOTIF),
                                   SECCOMP_FILTER_FLAG_NEW_LISTENER | flags);
      if (listener < 0) return 250;
      send_number(ends[1], listener);
      close(listener);
      return body();
    });
    listener = take_number(ends[0]);
    close(ends[0]);
    close(ends[1]);
  }
  ~Asking() {
    if (pid_ > 0) end_child(pid_);
  }
  pid_t pid() const { return pid_; }
  int end() { return outcome(std::exchange(pid_, -1)); }
  seccomp_notif receive() {
    seccomp_notif notification = {};
    EXPECT_OK(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification));
    return notification;
  }
  int answer(uint64_t id, long value, int error = 0, unsigned flags = 0) {
    seccomp_notif_resp answer = {id, value, error, flags};
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  short events() {
    pollfd poll_fd{listener, POLLIN | POLLOUT, 0};
    return poll(&poll_fd, 1, 0) < 0 ? short{-1} : poll_fd.revents;
  }
  Fd listener;

 private:
  pid_t pid_;
};

class SeccompListener : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root, or no_new_privs";
  }
};

TEST_F(SeccompListener, Answers) {
  Asking child([] { return syscall(kQuestioned, 1, 2, 3) == 77 ? 0 : 1; });
  const seccomp_notif asked = child.receive();
  EXPECT_NE(0u, asked.id);
  EXPECT_EQ(unsigned(child.pid()), asked.pid);
  EXPECT_EQ(0u, asked.flags);
  EXPECT_EQ(kQuestioned, asked.data.nr);
  EXPECT_EQ(1u, asked.data.args[0]);
  EXPECT_EQ(3u, asked.data.args[2]);
  uint64_t id = asked.id;
  EXPECT_OK(ioctl(child.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id));
  id += 100;
  EXPECT_ERRNO(ENOENT, ioctl(child.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id));
  EXPECT_ERRNO(ENOENT, child.answer(id, 77));
  EXPECT_OK(child.answer(asked.id, 77));
  EXPECT_EQ(0, child.end());
}

TEST_F(SeccompListener, AnswersWithErrors) {
  Asking child([] { return syscall(kQuestioned) == -1 ? errno : 0; });
  EXPECT_OK(child.answer(child.receive().id, 0, -EXDEV));
  EXPECT_EQ(EXDEV, child.end());
}

TEST_F(SeccompListener, LetsTheCallGoOn) {
  const pid_t self = getpid();
  Asking child([=] { return syscall(kQuestioned) == self ? 0 : 1; });
  const uint64_t id = child.receive().id;
  EXPECT_ERRNO(EINVAL, child.answer(id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
  EXPECT_ERRNO(EINVAL, child.answer(id, 0, 0, 8));
  EXPECT_OK(child.answer(id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
  EXPECT_EQ(0, child.end());
}

TEST_F(SeccompListener, TellsWhatItsStateIs) {
  Gate gate;
  Asking child([&] {
    gate.pass();
    return syscall(kQuestioned) == 3 ? 0 : 1;
  });
  EXPECT_EQ(0, child.events());
  gate.open();
  EXPECT_TRUE(eventually([&] { return child.events() == POLLIN; }));
  const uint64_t id = child.receive().id;
  EXPECT_EQ(POLLOUT, child.events());
  EXPECT_OK(child.answer(id, 3));
  EXPECT_EQ(0, child.end());
  EXPECT_TRUE(eventually([&] { return child.events() == POLLHUP; }));
  seccomp_notif none = {};
  EXPECT_ERRNO(ENOENT, ioctl(child.listener, SECCOMP_IOCTL_NOTIF_RECV, &none));
}

TEST_F(SeccompListener, RequestsAreChecked) {
  Asking child([] { return syscall(kQuestioned) == 3 ? 0 : 1; });
  seccomp_notif filled = {};
  filled.flags = 1;
  EXPECT_ERRNO(EINVAL, ioctl(child.listener, SECCOMP_IOCTL_NOTIF_RECV, &filled));
  EXPECT_ERRNO(EFAULT, ioctl(child.listener, SECCOMP_IOCTL_NOTIF_RECV, bad_pointer<int>()));
  EXPECT_ERRNO(EINVAL, ioctl(child.listener, 0x1234, 0));
  const uint64_t id = child.receive().id;
  EXPECT_OK(child.answer(id, 3));
  EXPECT_EQ(0, child.end());
}

TEST_F(SeccompListener, AnswersWaitForTheQuestion) {
  Asking child([] { return syscall(kQuestioned) == 3 ? 0 : 1; });
  EXPECT_TRUE(eventually([&] { return child.events() == POLLIN; }));
  const uint64_t id = child.receive().id;
  EXPECT_OK(child.answer(id, 3));
  EXPECT_EQ(-1, child.answer(id, 3));
  EXPECT_TRUE(errno == EINPROGRESS || errno == ENOENT);
  EXPECT_EQ(0, child.end());
}

TEST_F(SeccompListener, ItsEndAnswersWithNoSuchCall) {
  Asking child([] {
    const bool waiting = syscall(kQuestioned) == -1 && errno == ENOSYS;
    const bool later = syscall(kQuestioned) == -1 && errno == ENOSYS;
    return waiting && later ? 0 : 1;
  });
  child.receive();
  child.listener.reset();
  EXPECT_EQ(0, child.end());
}

TEST_F(SeccompListener, SignalsInterrupt) {
  Asking child([] {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    sigaction(SIGUSR1, &action, nullptr);
    return syscall(kQuestioned) == -1 ? errno : 0;
  });
  const uint64_t id = child.receive().id;
  kill(child.pid(), SIGUSR1);
  EXPECT_EQ(EINTR, child.end());
  uint64_t gone = id;
  EXPECT_ERRNO(ENOENT, ioctl(child.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &gone));
}

TEST_F(SeccompListener, KilledTasksLeave) {
  Asking child([] { return syscall(kQuestioned) == 3 ? 0 : 1; });
  const uint64_t id = child.receive().id;
  kill(child.pid(), SIGKILL);
  EXPECT_EQ(-SIGKILL, child.end());
  EXPECT_ERRNO(ENOENT, child.answer(id, 3));
}

TEST_F(SeccompListener, GivesDescriptors) {
  Asking child([] {
    const long fd = syscall(kQuestioned);
    char text[8] = {};
    if (fd < 0 || pread(static_cast<int>(fd), text, 5, 0) != 5) return 1;
    if (pread(100, text, 5, 0) != 5 || fcntl(100, F_GETFD) != FD_CLOEXEC) return 2;
    return strcmp(text, "hello") == 0 ? 0 : 3;
  });
  Fd file = memfd_create("given", 0);
  ASSERT_EQ(5, write(file, "hello", 5));
  const uint64_t id = child.receive().id;
  seccomp_notif_addfd give = {};
  give.id = id;
  give.srcfd = unsigned(file.operator int());
  give.newfd = 100;
  EXPECT_ERRNO(EINVAL, ioctl(child.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give));
  give.flags = SECCOMP_ADDFD_FLAG_SETFD;
  give.newfd_flags = O_CLOEXEC;
  EXPECT_EQ(100, ioctl(child.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give));
  give.newfd_flags = O_NONBLOCK;
  EXPECT_ERRNO(EINVAL, ioctl(child.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give));
  give.newfd_flags = 0;
  give.newfd = 0;
  give.flags = 0;
  give.srcfd = 999;
  EXPECT_ERRNO(EBADF, ioctl(child.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give));
  give.srcfd = unsigned(file.operator int());
  give.id = id + 50;
  EXPECT_ERRNO(ENOENT, ioctl(child.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give));
  give.id = id;
  give.flags = 2;  // SECCOMP_ADDFD_FLAG_SEND
  EXPECT_GE(ioctl(child.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give), 0);
  EXPECT_EQ(0, child.end());
}

TEST_F(SeccompListener, ThereIsButOne) {
  EXPECT_EQ(0, run_child([] {
              const Program program = only(kQuestioned, SECCOMP_RET_USER_NOTIF);
              const Fd listener = install(program, SECCOMP_FILTER_FLAG_NEW_LISTENER);
              if (listener < 0 || fcntl(listener, F_GETFD) != FD_CLOEXEC) return 1;
              if (install(program, SECCOMP_FILTER_FLAG_NEW_LISTENER) != -1) return 2;
              return errno == EBUSY ? 0 : 3;
            }));
}

TEST_F(SeccompListener, FlagsAreChecked) {
  EXPECT_EQ(0, run_child([] {
              const Program program = only(kQuestioned, SECCOMP_RET_USER_NOTIF);
              constexpr unsigned kBoth =
                  SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC;
              if (install(program, kBoth) != -1 || errno != EINVAL) return 1;
              const Fd listener = install(program, kBoth | SECCOMP_FILTER_FLAG_TSYNC_ESRCH);
              return listener >= 0 ? 0 : 3;
            }));
}

TEST_F(SeccompListener, SizesAreTold) {
  seccomp_notif_sizes sizes = {};
  ASSERT_OK(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes));
  EXPECT_EQ(80u, sizes.seccomp_notif);
  EXPECT_EQ(24u, sizes.seccomp_notif_resp);
  EXPECT_EQ(64u, sizes.seccomp_data);
  EXPECT_ERRNO(EINVAL, syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 1, &sizes));
  const unsigned action = SECCOMP_RET_USER_NOTIF;
  EXPECT_OK(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
}

TEST_F(SeccompListener, TracersReadFilters) {
  const Program first = only(SYS_getppid, SECCOMP_RET_ERRNO | 5),
                second = only(SYS_getpgid, SECCOMP_RET_ERRNO | 6);
  Gate gate;
  const pid_t pid = spawn([&] {
    install(first);
    install(second, SECCOMP_FILTER_FLAG_LOG);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    return 0;
  });
  int status;
  ASSERT_EQ(pid, waitpid(pid, &status, 0));
  const auto ask = [pid](int request, unsigned long address, void* data) {
    return ptrace(static_cast<__ptrace_request>(request), pid, address, data);
  };
  sock_filter found[16];
  EXPECT_EQ(4, ask(PTRACE_SECCOMP_GET_FILTER, 0, nullptr));
  ASSERT_EQ(4, ask(PTRACE_SECCOMP_GET_FILTER, 0, found));
  EXPECT_EQ(0, memcmp(found, first.data(), 4 * sizeof found[0]));
  ASSERT_EQ(4, ask(PTRACE_SECCOMP_GET_FILTER, 1, found));
  EXPECT_EQ(0, memcmp(found, second.data(), 4 * sizeof found[0]));
  EXPECT_ERRNO(ENOENT, ask(PTRACE_SECCOMP_GET_FILTER, 2, found));
  EXPECT_ERRNO(EFAULT, ask(PTRACE_SECCOMP_GET_FILTER, 1, bad_pointer<void>()));
  struct {
    uint64_t index, flags;
  } data = {1, 0};
  EXPECT_EQ(16, ask(PTRACE_SECCOMP_GET_METADATA, sizeof data, &data));
  EXPECT_EQ(uint64_t{SECCOMP_FILTER_FLAG_LOG}, data.flags);
  data = {0, 7};
  EXPECT_EQ(16, ask(PTRACE_SECCOMP_GET_METADATA, sizeof data, &data));
  EXPECT_EQ(0u, data.flags);
  EXPECT_ERRNO(EINVAL, ask(PTRACE_SECCOMP_GET_METADATA, 4, &data));
  end_child(pid);
}

}  // namespace
}  // namespace compat
