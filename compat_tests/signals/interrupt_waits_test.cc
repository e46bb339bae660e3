// Interrupted waits for other threads and processes (signal(7)).
#include <linux/futex.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "compat_tests/signals/interrupt.h"

namespace compat {
namespace {

long futex(uint32_t* word, int operation, uint32_t value, const timespec* timeout = nullptr) {
  return syscall(SYS_futex, word, operation, value, timeout, nullptr, 0);
}

TEST_F(Interrupt, Futex) {
  uint32_t word = 0;
  expect_interrupted(0, [&] { return futex(&word, FUTEX_WAIT, 0); });
}

TEST_F(Interrupt, FutexIsRestarted) {
  uint32_t word = 0;
  expect_restarted([&] { EXPECT_EQ(0, futex(&word, FUTEX_WAIT, 0)); },
                   [&] { EXPECT_EQ(1, futex(&word, FUTEX_WAKE, 1)); });
}

TEST_F(Interrupt, FutexWithATimeLimitIsNotRestarted) {
  uint32_t word = 0;
  const timespec limit{60, 0};
  expect_interrupted(SA_RESTART, [&] { return futex(&word, FUTEX_WAIT, 0, &limit); });
}

TEST_F(Interrupt, Semaphore) {
  sem_t semaphore;
  ASSERT_OK(sem_init(&semaphore, 0, 0));
  expect_interrupted(0, [&] { return sem_wait(&semaphore); });
  sem_destroy(&semaphore);
}

TEST_F(Interrupt, SemaphoreIsRestarted) {
  sem_t semaphore;
  ASSERT_OK(sem_init(&semaphore, 0, 0));
  expect_restarted([&] { EXPECT_OK(sem_wait(&semaphore)); }, [&] { sem_post(&semaphore); });
  sem_destroy(&semaphore);
}

TEST_F(Interrupt, SystemVSemaphoreIsNeverRestarted) {
  const int set = semget(IPC_PRIVATE, 1, 0600);
  ASSERT_OK(set);
  expect_interrupted(SA_RESTART, [&] {
    sembuf take{0, -1, 0};
    return semop(set, &take, 1);
  });
  semctl(set, 0, IPC_RMID);
}

TEST_F(Interrupt, SystemVMessageQueueIsNeverRestarted) {
  const int queue = msgget(IPC_PRIVATE, 0600);
  ASSERT_OK(queue);
  struct {
    long type;
    char text[8];
  } message;
  expect_interrupted(SA_RESTART, [&] { return msgrcv(queue, &message, 8, 0, 0); });
  msgctl(queue, IPC_RMID, nullptr);
}

TEST_F(Interrupt, SignalDescriptor) {
  Blocked blocked({SIGUSR2});
  const sigset_t set = set_of({SIGUSR2});
  Fd fd = signalfd(-1, &set, 0);
  signalfd_siginfo info;
  expect_interrupted(0, [&] { return read(fd, &info, sizeof info); });
}

TEST_F(Interrupt, WatchingFilesIsRestarted) {
  TempDir dir;
  Fd fd = inotify_init1(0);
  ASSERT_OK(inotify_add_watch(fd, dir.path().c_str(), IN_CREATE));
  char buffer[256];
  expect_restarted([&] { EXPECT_LT(0, read(fd, buffer, sizeof buffer)); },
                   [&] { write_file(dir / "f", ""); });
}

TEST_F(Interrupt, WatchingFiles) {
  Fd fd = inotify_init1(0);
  char buffer[256];
  expect_interrupted(0, [&] { return read(fd, buffer, sizeof buffer); });
}

TEST_F(Interrupt, SendingToAFullSocket) {
  char data[4096] = {};
  while (send(left, data, sizeof data, MSG_DONTWAIT) > 0) {
  }
  expect_interrupted(0, [&] { return send(left, data, sizeof data, 0); });
}

TEST_F(Interrupt, PartOfAMessageCounts) {
  ScopedAction action(SIGUSR1, do_nothing);
  char data[100];
  std::thread blocked([&] { EXPECT_EQ(3, recv(left, data, sizeof data, MSG_WAITALL)); });
  EXPECT_EQ(3, send(right, "abc", 3, 0));
  let_others_block();
  pthread_kill(blocked.native_handle(), SIGUSR1);
  blocked.join();
}

TEST_F(Interrupt, AcceptingIsRestarted) {
  Fd listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_storage address{};
  address.ss_family = AF_UNIX;
  socklen_t size = sizeof(sa_family_t);
  ASSERT_OK(bind(listener, reinterpret_cast<sockaddr*>(&address), size));  // a name of its choice
  ASSERT_OK(listen(listener, 1));
  size = sizeof address;
  ASSERT_OK(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size));
  Fd client = socket(AF_UNIX, SOCK_STREAM, 0);
  expect_restarted(
      [&] {
        Fd accepted = accept(listener, nullptr, nullptr);
        EXPECT_LE(0, accepted);
      },
      [&] { EXPECT_OK(connect(client, reinterpret_cast<sockaddr*>(&address), size)); });
}

TEST_F(Interrupt, FileLockOfAnOpenFile) {
  TempDir dir;
  write_file(dir / "f", "x");
  Fd one = open((dir / "f").c_str(), O_RDWR), two = open((dir / "f").c_str(), O_RDWR);
  struct flock lock{F_WRLCK, SEEK_SET, 0, 1, 0};
  ASSERT_OK(fcntl(one, F_OFD_SETLK, &lock));
  expect_interrupted(0, [&] { return fcntl(two, F_OFD_SETLKW, &lock); });
}

TEST_F(Interrupt, OpeningAFifoIsRestarted) {
  TempDir dir;
  ASSERT_OK(mkfifo((dir / "fifo").c_str(), 0600));
  Fd other;
  expect_restarted(
      [&] {
        Fd fd = open((dir / "fifo").c_str(), O_RDONLY);
        EXPECT_LE(0, fd);
      },
      [&] { other = open((dir / "fifo").c_str(), O_WRONLY); });
}

TEST_F(Interrupt, WaitingForAChild) {
  const pid_t pid = fork();
  if (pid == 0) {
    for (;;) pause();
  }
  expect_interrupted(0, [&] { return waitpid(pid, nullptr, 0); });
  kill(pid, SIGKILL);
  EXPECT_EQ(pid, waitpid(pid, nullptr, 0));
}

TEST_F(Interrupt, WaitingForAChildIsRestarted) {
  const pid_t pid = fork();
  if (pid == 0) {
    for (;;) pause();
  }
  siginfo_t info{};
  expect_restarted([&] { EXPECT_OK(waitid(P_PID, pid, &info, WEXITED)); },
                   [&] { kill(pid, SIGKILL); });
  EXPECT_EQ(pid, info.si_pid);
}

TEST_F(Interrupt, WaitingForSignalsWithATimeLimit) {
  Blocked blocked({SIGUSR2});
  const sigset_t set = set_of({SIGUSR2});
  const timespec limit{60, 0};
  expect_interrupted(SA_RESTART, [&] { return sigtimedwait(&set, nullptr, &limit); });
}

TEST_F(Interrupt, SelectWithAMask) {
  expect_interrupted(SA_RESTART, [&] {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(reader, &set);
    sigset_t mask;
    sigemptyset(&mask);
    return pselect(reader + 1, &set, nullptr, nullptr, nullptr, &mask);
  });
}

TEST_F(Interrupt, SleepUntilATime) {
  ScopedAction action(SIGUSR1, do_nothing, SA_RESTART);
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  time.tv_sec += 60;
  std::atomic<int> result = -1;
  std::thread blocked(
      [&] { result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr); });
  let_others_block();
  EXPECT_TRUE(eventually([&] {
    if (result == -1) pthread_kill(blocked.native_handle(), SIGUSR1);
    return result != -1;
  }));
  blocked.join();
  EXPECT_EQ(EINTR, result);
}

TEST_F(Interrupt, SplicingFromAnEmptyPipe) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd other_reader = ends[0], other_writer = ends[1];
  expect_interrupted(0, [&] { return splice(reader, nullptr, other_writer, nullptr, 100, 0); });
}

TEST_F(Interrupt, LockingAMutexIsNot) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  ScopedAction action(SIGUSR1, do_nothing);
  std::atomic<bool> done = false;
  std::thread blocked([&] {
    EXPECT_EQ(0, pthread_mutex_lock(&mutex));
    done = true;
    pthread_mutex_unlock(&mutex);
  });
  let_others_block();
  for (int i = 0; i < 5; ++i) {
    pthread_kill(blocked.native_handle(), SIGUSR1);
    sleep_for(milliseconds(5));
  }
  EXPECT_FALSE(done);
  pthread_mutex_unlock(&mutex);
  blocked.join();
}

}  // namespace
}  // namespace compat
