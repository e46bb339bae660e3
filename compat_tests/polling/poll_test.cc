// poll(2), ppoll(2), select(2) and pselect(2).
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "compat_tests/common/signals.h"
#include "compat_tests/polling/polling.h"

namespace compat {
namespace {

TEST(Poll, NothingReadyIsZero) {
  const PipeEnds pipe = make_pipe();
  pollfd entry = {.fd = pipe.reading, .events = POLLIN, .revents = 0x7fff};
  EXPECT_EQ(0, poll(&entry, 1, 0));
  EXPECT_EQ(0, entry.revents);
}

TEST(Poll, CountsEntriesThatAreReady) {
  const PipeEnds pipe = make_pipe();
  pollfd entries[] = {{.fd = pipe.reading, .events = POLLIN, .revents = 0},
                      {.fd = pipe.writing, .events = POLLOUT, .revents = 0},
                      {.fd = pipe.writing, .events = POLLOUT, .revents = 0}};
  EXPECT_EQ(2, poll(entries, 3, -1)) << "the same descriptor counts twice";
  EXPECT_EQ(0, entries[0].revents);
  EXPECT_EQ(POLLOUT, entries[1].revents);
}

TEST(Poll, OnlyWhatWasAskedForIsTold) {
  const PipeEnds pipe = make_pipe();
  ASSERT_TRUE(put(pipe.writing));
  EXPECT_EQ(POLLIN, poll_once(pipe.reading, POLLIN));
  EXPECT_EQ(POLLIN | POLLRDNORM, poll_once(pipe.reading, POLLIN | POLLRDNORM | POLLOUT));
  EXPECT_EQ(0, poll_once(pipe.reading, POLLOUT));
  EXPECT_EQ(0, poll_once(pipe.reading, 0));
}

TEST(Poll, NegativeDescriptorsArePassedOver) {
  pollfd entry = {.fd = -5, .events = POLLIN, .revents = 0x55};
  EXPECT_EQ(0, poll(&entry, 1, 0));
  EXPECT_EQ(0, entry.revents);
}

TEST(Poll, ClosedDescriptorsAreNotValid) {
  const int closed = dup(0);
  close(closed);
  pollfd entry = {.fd = closed, .events = 0, .revents = 0};
  EXPECT_EQ(1, poll(&entry, 1, -1));
  EXPECT_EQ(POLLNVAL, entry.revents);
}

TEST(Poll, FilesAreAlwaysReady) {
  const TempDir dir;
  write_file(dir / "file", "");
  const Fd file = open((dir / "file").c_str(), O_RDONLY);
  EXPECT_EQ(POLLIN | POLLOUT, poll_once(file, POLLIN | POLLOUT));
  const Fd null = open("/dev/null", O_RDWR);
  EXPECT_EQ(POLLIN | POLLOUT, poll_once(null, POLLIN | POLLOUT));
}

TEST(Poll, TimeoutIsKept) {
  const PipeEnds pipe = make_pipe();
  const auto time = duration_of([&] { EXPECT_EQ(0, poll_once(pipe.reading, POLLIN, 60)); });
  EXPECT_GE(time, milliseconds(59));
  const auto none = duration_of([&] { EXPECT_EQ(0, poll(nullptr, 0, 30)); });
  EXPECT_GE(none, milliseconds(29));
}

TEST(Poll, WaitsForAnotherThread) {
  const PipeEnds pipe = make_pipe();
  std::thread writing([&] {
    let_others_block();
    put(pipe.writing);
  });
  EXPECT_EQ(POLLIN, poll_once(pipe.reading, POLLIN, -1));
  writing.join();
}

TEST(Poll, ArgumentsAreChecked) {
  EXPECT_ERRNO(EFAULT, poll(bad_pointer<pollfd>(), 1, 0));
  rlimit old;
  ASSERT_OK(getrlimit(RLIMIT_NOFILE, &old));
  const rlimit low = {.rlim_cur = 16, .rlim_max = old.rlim_max};
  ASSERT_OK(setrlimit(RLIMIT_NOFILE, &low));
  std::vector<pollfd> many(17, pollfd{.fd = -1, .events = 0, .revents = 0});
  EXPECT_ERRNO(EINVAL, poll(many.data(), many.size(), 0));
  EXPECT_EQ(0, poll(many.data(), 16, 0));
  ASSERT_OK(setrlimit(RLIMIT_NOFILE, &old));
}

TEST(Poll, SignalInterruptsIt) {
  const ScopedAction action(SIGALRM, record_signal, SA_RESTART);
  record.count = 0;
  const PipeEnds pipe = make_pipe();
  std::atomic<bool> done = false;
  std::thread waiting([&] {
    pollfd entry = {.fd = pipe.reading, .events = POLLIN, .revents = 0};
    EXPECT_ERRNO(EINTR, poll(&entry, 1, -1)) << "SA_RESTART does not count here";
    done = true;
  });
  while (!done) {
    sleep_for(milliseconds(2));
    if (!done) pthread_kill(waiting.native_handle(), SIGALRM);
  }
  waiting.join();
}

TEST(Poll, ClosedWriterIsHangUp) {
  PipeEnds pipe = make_pipe();
  ASSERT_TRUE(put(pipe.writing));
  pipe.writing.reset();
  EXPECT_EQ(POLLIN | POLLHUP, poll_once(pipe.reading, POLLIN));
  take(pipe.reading);
  EXPECT_EQ(POLLHUP, poll_once(pipe.reading, POLLIN));
}

TEST(Poll, ClosedReaderIsAnError) {
  PipeEnds pipe = make_pipe();
  pipe.reading.reset();
  EXPECT_EQ(POLLOUT | POLLERR, poll_once(pipe.writing, POLLOUT));
}

TEST(Poll, FullPipeIsNotWritable) {
  const PipeEnds pipe = make_pipe();
  fill(pipe.writing);
  EXPECT_EQ(0, poll_once(pipe.writing, POLLOUT));
  take(pipe.reading, 4096);
  EXPECT_EQ(POLLOUT, poll_once(pipe.writing, POLLOUT));
}

// --- ppoll

TEST(Ppoll, MaskHoldsWhileItWaits) {
  const ScopedAction action(SIGUSR1, record_signal);
  record.count = 0;
  const Blocked blocked({SIGUSR1});
  ASSERT_OK(raise(SIGUSR1));
  EXPECT_EQ(0u, record.count);
  const sigset_t none = set_of({});
  const timespec limit = {.tv_sec = 20, .tv_nsec = 0};
  EXPECT_ERRNO(EINTR, ppoll(nullptr, 0, &limit, &none));
  EXPECT_EQ(1u, record.count);
  EXPECT_TRUE(is_blocked(SIGUSR1)) << "the old mask is back";
}

TEST(Ppoll, ReadyDescriptorsWinOverSignals) {
  const ScopedAction action(SIGUSR1, record_signal);
  record.count = 0;
  const Blocked blocked({SIGUSR1});
  const PipeEnds pipe = make_pipe();
  ASSERT_TRUE(put(pipe.writing));
  ASSERT_OK(raise(SIGUSR1));
  const sigset_t none = set_of({});
  pollfd entry = {.fd = pipe.reading, .events = POLLIN, .revents = 0};
  EXPECT_EQ(1, ppoll(&entry, 1, nullptr, &none));
  EXPECT_EQ(0u, record.count) << "it stays pending";
  EXPECT_TRUE(is_pending(SIGUSR1));
  const sigset_t set = set_of({SIGUSR1});
  int got;
  EXPECT_EQ(0, sigwait(&set, &got));
}

TEST(Ppoll, TimeIsChecked) {
  const timespec bad = {.tv_sec = 0, .tv_nsec = 1'000'000'000};
  EXPECT_ERRNO(EINVAL, ppoll(nullptr, 0, &bad, nullptr));
  const timespec negative = {.tv_sec = -1, .tv_nsec = 0};
  EXPECT_ERRNO(EINVAL, ppoll(nullptr, 0, &negative, nullptr));
  const sigset_t none = set_of({});
  EXPECT_ERRNO(EINVAL, syscall(SYS_ppoll, nullptr, 0, nullptr, &none, 4));
}

TEST(Ppoll, RawCallTellsTheTimeThatIsLeft) {
  const PipeEnds pipe = make_pipe();
  ASSERT_TRUE(put(pipe.writing));
  pollfd entry = {.fd = pipe.reading, .events = POLLIN, .revents = 0};
  timespec limit = {.tv_sec = 100, .tv_nsec = 0};
  EXPECT_EQ(1, syscall(SYS_ppoll, &entry, 1, &limit, nullptr, 8));
  EXPECT_TRUE(limit.tv_sec == 99 || (limit.tv_sec == 100 && limit.tv_nsec == 0));
}

// --- select

TEST(Select, SetsHoldWhatIsReady) {
  const PipeEnds pipe = make_pipe();
  fd_set reading, writing;
  FD_ZERO(&reading);
  FD_ZERO(&writing);
  FD_SET(pipe.reading, &reading);
  FD_SET(pipe.writing, &writing);
  timeval now = {};
  const int limit = std::max(int(pipe.reading), int(pipe.writing)) + 1;
  EXPECT_EQ(1, select(limit, &reading, &writing, nullptr, &now));
  EXPECT_FALSE(FD_ISSET(pipe.reading, &reading));
  EXPECT_TRUE(FD_ISSET(pipe.writing, &writing));
  ASSERT_TRUE(put(pipe.writing));
  FD_SET(pipe.reading, &reading);
  EXPECT_EQ(2, select(limit, &reading, &writing, nullptr, nullptr));
}

TEST(Select, HangUpIsReadableAndErrorIsBoth) {
  PipeEnds pipe = make_pipe();
  pipe.writing.reset();
  fd_set set;
  FD_ZERO(&set);
  FD_SET(pipe.reading, &set);
  timeval now = {};
  EXPECT_EQ(1, select(pipe.reading + 1, &set, nullptr, nullptr, &now));
  pipe = make_pipe();
  pipe.reading.reset();
  fd_set other;
  FD_ZERO(&set);
  FD_ZERO(&other);
  FD_SET(pipe.writing, &set);
  FD_SET(pipe.writing, &other);
  EXPECT_EQ(2, select(pipe.writing + 1, &set, &other, nullptr, &now));
}

TEST(Select, BadDescriptorsAndCountsAreRefused) {
  const int closed = dup(0);
  close(closed);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(closed, &set);
  timeval now = {};
  EXPECT_ERRNO(EBADF, select(closed + 1, &set, nullptr, nullptr, &now));
  EXPECT_EQ(0, select(closed, &set, nullptr, nullptr, &now)) << "above the count";
  EXPECT_ERRNO(EINVAL, select(-1, nullptr, nullptr, nullptr, &now));
  timeval bad = {.tv_sec = -1, .tv_usec = 0};
  EXPECT_ERRNO(EINVAL, select(0, nullptr, nullptr, nullptr, &bad));
}

TEST(Select, SleepsAndTellsTheTimeThatIsLeft) {
  timeval limit = {.tv_sec = 0, .tv_usec = 50'000};
  const auto time =
      duration_of([&] { EXPECT_EQ(0, select(0, nullptr, nullptr, nullptr, &limit)); });
  EXPECT_GE(time, milliseconds(49));
  EXPECT_EQ(0, limit.tv_sec);
  EXPECT_EQ(0, limit.tv_usec);
  const PipeEnds pipe = make_pipe();
  fd_set set;
  FD_ZERO(&set);
  FD_SET(pipe.writing, &set);
  limit = {.tv_sec = 100, .tv_usec = 0};
  EXPECT_EQ(1, select(pipe.writing + 1, nullptr, &set, nullptr, &limit));
  EXPECT_GE(limit.tv_sec, 99);
}

TEST(Select, DescriptorsUpToTheLimitWork) {
  const PipeEnds pipe = make_pipe();
  const Fd high = fcntl(pipe.reading, F_DUPFD, 900);
  ASSERT_GE(high, 900);
  fd_set set;
  FD_ZERO(&set);
  FD_SET(high, &set);
  ASSERT_TRUE(put(pipe.writing));
  EXPECT_EQ(1, select(high + 1, &set, nullptr, nullptr, nullptr));
  EXPECT_TRUE(FD_ISSET(high, &set));
}

TEST(Pselect, MaskHoldsWhileItWaits) {
  const ScopedAction action(SIGUSR1, record_signal);
  record.count = 0;
  const Blocked blocked({SIGUSR1});
  ASSERT_OK(raise(SIGUSR1));
  const sigset_t none = set_of({});
  const timespec limit = {.tv_sec = 20, .tv_nsec = 0};
  EXPECT_ERRNO(EINTR, pselect(0, nullptr, nullptr, nullptr, &limit, &none));
  EXPECT_EQ(1u, record.count);
  EXPECT_TRUE(is_blocked(SIGUSR1));
}

TEST(Pselect, LibraryLeavesTheTimeAlone) {
  const timespec limit = {.tv_sec = 0, .tv_nsec = 20'000'000};
  const auto time =
      duration_of([&] { EXPECT_EQ(0, pselect(0, nullptr, nullptr, nullptr, &limit, nullptr)); });
  EXPECT_GE(time, milliseconds(19));
  EXPECT_EQ(20'000'000, limit.tv_nsec);
}

}  // namespace
}  // namespace compat
