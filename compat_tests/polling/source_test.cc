// What can be waited for: eventfd(2), timerfd(2), signalfd(2), pipes and FIFOs.
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "compat_tests/common/signals.h"
#include "compat_tests/polling/polling.h"

namespace compat {
namespace {

// --- eventfd

uint64_t value_of(int fd) {
  eventfd_t value = 0;
  return eventfd_read(fd, &value) == 0 ? value : ~uint64_t{0};
}

TEST(Eventfd, AddsUpAndIsEmptiedByReading) {
  const Fd fd = eventfd(5, 0);
  EXPECT_EQ(POLLIN | POLLOUT, poll_once(fd, POLLIN | POLLOUT));
  ASSERT_OK(eventfd_write(fd, 7));
  EXPECT_EQ(12u, value_of(fd));
  EXPECT_EQ(POLLOUT, poll_once(fd, POLLIN | POLLOUT));
}

TEST(Eventfd, SemaphoreGivesOneAtATime) {
  const Fd fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  EXPECT_EQ(1u, value_of(fd));
  EXPECT_EQ(1u, value_of(fd));
  eventfd_t value;
  EXPECT_ERRNO(EAGAIN, eventfd_read(fd, &value));
}

TEST(Eventfd, FullCounterBlocksWriters) {
  const Fd fd = eventfd(0, EFD_NONBLOCK);
  EXPECT_ERRNO(EINVAL, eventfd_write(fd, ~uint64_t{0}));
  ASSERT_OK(eventfd_write(fd, ~uint64_t{0} - 1));
  EXPECT_EQ(POLLIN, poll_once(fd, POLLIN | POLLOUT));
  EXPECT_ERRNO(EAGAIN, eventfd_write(fd, 1));
  EXPECT_EQ(~uint64_t{0} - 1, value_of(fd));
}

TEST(Eventfd, SizesAndFlagsAreChecked) {
  const Fd fd = eventfd(1, 0);
  uint64_t value[2] = {};
  EXPECT_ERRNO(EINVAL, read(fd, value, 7));
  EXPECT_ERRNO(EINVAL, write(fd, value, 7));
  EXPECT_EQ(8, read(fd, value, 16));
  EXPECT_ERRNO(EINVAL, eventfd(0, 0x10));
}

TEST(Eventfd, ReaderWaits) {
  const Fd fd = eventfd(0, 0);
  std::thread writing([&] {
    let_others_block();
    EXPECT_OK(eventfd_write(fd, 3));
  });
  EXPECT_EQ(3u, value_of(fd));
  writing.join();
}

TEST(Eventfd, WriterWaits) {
  const Fd fd = eventfd(0, 0);
  ASSERT_OK(eventfd_write(fd, ~uint64_t{0} - 1));
  std::thread reading([&] {
    let_others_block();
    EXPECT_EQ(~uint64_t{0} - 1, value_of(fd));
  });
  EXPECT_OK(eventfd_write(fd, 5));
  reading.join();
  EXPECT_EQ(5u, value_of(fd));
}

TEST(Eventfd, EdgeForEachWrite) {
  EpollSet set;
  const Fd fd = eventfd(0, 0);
  ASSERT_OK(set.add(fd, EPOLLIN | EPOLLET));
  ASSERT_OK(eventfd_write(fd, 1));
  EXPECT_EQ(EPOLLIN, set.next());
  EXPECT_EQ(0u, set.next());
  ASSERT_OK(eventfd_write(fd, 1));
  EXPECT_EQ(EPOLLIN, set.next());
}

// --- timerfd

TEST(TimerfdPoll, ReadableWhenItHasExpired) {
  const Fd fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  EXPECT_EQ(0, poll_once(fd, POLLIN));
  const itimerspec soon = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 5'000'000}};
  ASSERT_OK(timerfd_settime(fd, 0, &soon, nullptr));
  EXPECT_EQ(POLLIN, poll_once(fd, POLLIN, kLong));
  uint64_t times = 0;
  EXPECT_EQ(8, read(fd, &times, 8));
  EXPECT_EQ(1u, times);
  EXPECT_EQ(0, poll_once(fd, POLLIN));
  EXPECT_ERRNO(EAGAIN, read(fd, &times, 8));
}

TEST(TimerfdPoll, DisarmingTakesTheExpirationBack) {
  const Fd fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  const itimerspec soon = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 1'000'000}};
  ASSERT_OK(timerfd_settime(fd, 0, &soon, nullptr));
  EXPECT_EQ(POLLIN, poll_once(fd, POLLIN, kLong));
  const itimerspec never = {};
  ASSERT_OK(timerfd_settime(fd, 0, &never, nullptr));
  EXPECT_EQ(0, poll_once(fd, POLLIN));
}

// --- signalfd

TEST(SignalfdPoll, ReadableWhenASignalIsPending) {
  const Blocked blocked({SIGUSR1, SIGUSR2});
  const sigset_t set = set_of({SIGUSR1});
  const Fd fd = signalfd(-1, &set, SFD_NONBLOCK);
  EXPECT_EQ(0, poll_once(fd, POLLIN));
  ASSERT_OK(raise(SIGUSR1));
  EXPECT_EQ(POLLIN, poll_once(fd, POLLIN));
  signalfd_siginfo info = {};
  EXPECT_EQ(ssize_t(sizeof info), read(fd, &info, sizeof info));
  EXPECT_EQ(uint32_t(SIGUSR1), info.ssi_signo);
  EXPECT_EQ(uint32_t(getpid()), info.ssi_pid);
  EXPECT_EQ(0, poll_once(fd, POLLIN));
  EXPECT_ERRNO(EAGAIN, read(fd, &info, sizeof info));
}

TEST(SignalfdPoll, MaskCanBeChanged) {
  const Blocked blocked({SIGUSR1, SIGUSR2});
  const sigset_t one = set_of({SIGUSR1}), two = set_of({SIGUSR2});
  const Fd fd = signalfd(-1, &one, SFD_NONBLOCK);
  ASSERT_OK(raise(SIGUSR2));
  EXPECT_EQ(0, poll_once(fd, POLLIN));
  EXPECT_EQ(int(fd), signalfd(fd, &two, 0));
  EXPECT_EQ(POLLIN, poll_once(fd, POLLIN));
  signalfd_siginfo info;
  EXPECT_EQ(ssize_t(sizeof info), read(fd, &info, sizeof info));
}

TEST(SignalfdPoll, WakesAnEpollWaiter) {
  const Blocked blocked({SIGUSR1});
  const sigset_t set = set_of({SIGUSR1});
  const Fd fd = signalfd(-1, &set, 0);
  EpollSet epoll;
  ASSERT_OK(epoll.add(fd, EPOLLIN));
  std::thread sending([] {
    let_others_block();
    kill(getpid(), SIGUSR1);
  });
  EXPECT_EQ(EPOLLIN, epoll.next(kLong));
  sending.join();
  signalfd_siginfo info;
  EXPECT_EQ(ssize_t(sizeof info), read(fd, &info, sizeof info));
}

// --- pipes

TEST(Pipe, FlagsAreCheckedAndKept) {
  int ends[2];
  EXPECT_ERRNO(EINVAL, pipe2(ends, 0x1));
  EXPECT_ERRNO(EFAULT, pipe(bad_pointer<int>()));
  const PipeEnds pipe = make_pipe(O_CLOEXEC | O_NONBLOCK);
  EXPECT_EQ(FD_CLOEXEC, fcntl(pipe.reading, F_GETFD));
  EXPECT_EQ(O_RDONLY | O_NONBLOCK, fcntl(pipe.reading, F_GETFL));
  EXPECT_EQ(O_WRONLY | O_NONBLOCK, fcntl(pipe.writing, F_GETFL));
}

TEST(Pipe, EndsHaveOneDirection) {
  const PipeEnds pipe = make_pipe();
  EXPECT_ERRNO(EBADF, write(pipe.reading, "x", 1));
  EXPECT_EQ("error EBADF", take(pipe.writing));
}

TEST(Pipe, KeepsTheOrder) {
  const PipeEnds pipe = make_pipe();
  const std::string data = pattern(300'000);
  std::thread writing([&] { EXPECT_TRUE(write_all(pipe.writing, data)); });
  EXPECT_TRUE(data == read_exactly(pipe.reading, data.size()));
  writing.join();
}

TEST(Pipe, HoldsSixtyFourKilobytes) {
  const PipeEnds pipe = make_pipe();
  EXPECT_EQ(65536, fcntl(pipe.writing, F_GETPIPE_SZ));
  EXPECT_EQ(65536u, fill(pipe.writing));
}

TEST(Pipe, SizeCanBeChanged) {
  const PipeEnds pipe = make_pipe();
  EXPECT_EQ(131072, fcntl(pipe.writing, F_SETPIPE_SZ, 100'000));
  EXPECT_EQ(131072u, fill(pipe.writing));
  EXPECT_ERRNO(EBUSY, fcntl(pipe.writing, F_SETPIPE_SZ, 4096));
}

TEST(Pipe, SmallWritesAreWhole) {
  const PipeEnds pipe = make_pipe();
  fill(pipe.writing);
  take(pipe.reading, 100);
  ASSERT_OK(fcntl(pipe.writing, F_SETFL, O_NONBLOCK));
  const std::string block(4096, 'y');
  EXPECT_ERRNO(EAGAIN, write(pipe.writing, block.data(), block.size()))
      << "up to PIPE_BUF all or nothing";
}

TEST(Pipe, EmptyPipeIsAgainOrTheEnd) {
  PipeEnds pipe = make_pipe(O_NONBLOCK);
  EXPECT_EQ("error EAGAIN", take(pipe.reading));
  pipe.writing.reset();
  EXPECT_EQ("", take(pipe.reading));
}

TEST(Pipe, WithoutReadersIsBroken) {
  const ScopedAction action(SIGPIPE, record_signal);
  record.count = 0;
  PipeEnds pipe = make_pipe();
  pipe.reading.reset();
  EXPECT_ERRNO(EPIPE, write(pipe.writing, "x", 1));
  EXPECT_EQ(1u, record.count);
}

TEST(Pipe, WriterIsWokenWhenTheReaderGoes) {
  const ScopedAction action(SIGPIPE, record_signal);
  record.count = 0;
  PipeEnds pipe = make_pipe();
  fill(pipe.writing);
  std::thread closing([&] {
    let_others_block();
    pipe.reading.reset();
  });
  EXPECT_ERRNO(EPIPE, write(pipe.writing, "x", 1));
  closing.join();
  EXPECT_EQ(1u, record.count);
}

TEST(Pipe, PacketsKeepTheirBoundaries) {
  const PipeEnds pipe = make_pipe(O_DIRECT);
  ASSERT_TRUE(put(pipe.writing, "one"));
  ASSERT_TRUE(put(pipe.writing, "three"));
  EXPECT_EQ("one", take(pipe.reading));
  EXPECT_EQ("th", take(pipe.reading, 2));
  fcntl(pipe.reading, F_SETFL, O_NONBLOCK);
  EXPECT_EQ("error EAGAIN", take(pipe.reading)) << "the rest of a packet is lost";
}

TEST(Pipe, AvailableBytesAreCounted) {
  const PipeEnds pipe = make_pipe();
  ASSERT_TRUE(put(pipe.writing, "12345"));
  int count = 0;
  EXPECT_OK(ioctl(pipe.reading, FIONREAD, &count));
  EXPECT_EQ(5, count);
}

TEST(Pipe, IsNoFile) {
  const PipeEnds pipe = make_pipe();
  EXPECT_ERRNO(ESPIPE, lseek(pipe.reading, 0, SEEK_CUR));
  struct stat status = {};
  ASSERT_OK(fstat(pipe.reading, &status));
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
}

// --- FIFOs

TEST(Fifo, OpeningWaitsForTheOtherEnd) {
  const TempDir dir;
  const std::string path = dir / "fifo";
  ASSERT_OK(mkfifo(path.c_str(), 0600));
  std::thread writing([&] {
    const Fd fd = open(path.c_str(), O_WRONLY);
    EXPECT_TRUE(put(fd, "through"));
  });
  const Fd fd = open(path.c_str(), O_RDONLY);
  EXPECT_EQ("through", read_exactly(fd, 7));
  writing.join();
  EXPECT_EQ("", take(fd));
}

TEST(Fifo, NonBlockingOpen) {
  const TempDir dir;
  const std::string path = dir / "fifo";
  ASSERT_OK(mkfifo(path.c_str(), 0600));
  EXPECT_ERRNO(ENXIO, open(path.c_str(), O_WRONLY | O_NONBLOCK));
  const Fd reading = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reading, 0);
  EXPECT_EQ("", take(reading)) << "nobody writes";
  EXPECT_EQ(0, poll_once(reading, POLLIN)) << "nobody has written yet";
  Fd writing = open(path.c_str(), O_WRONLY | O_NONBLOCK);
  ASSERT_GE(writing, 0);
  EXPECT_EQ("error EAGAIN", take(reading));
  writing.reset();
  EXPECT_EQ(POLLHUP, poll_once(reading, POLLIN));
  const Fd both = open(path.c_str(), O_RDWR);
  EXPECT_EQ(0, poll_once(reading, POLLIN)) << "somebody writes again";
}

}  // namespace
}  // namespace compat
