// epoll(7).
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include <atomic>

#include "compat_tests/common/signals.h"
#include "compat_tests/polling/polling.h"

namespace compat {
namespace {

TEST(Epoll, CreationChecksItsArguments) {
  EXPECT_ERRNO(EINVAL, epoll_create(0));
  EXPECT_ERRNO(EINVAL, epoll_create1(1));
  const Fd plain = epoll_create(1);
  EXPECT_EQ(0, fcntl(plain, F_GETFD));
  const Fd closing = epoll_create1(EPOLL_CLOEXEC);
  EXPECT_EQ(FD_CLOEXEC, fcntl(closing, F_GETFD));
}

TEST(Epoll, ControlChecksItsArguments) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  EXPECT_ERRNO(ENOENT, set.change(pipe.reading, EPOLLIN));
  EXPECT_ERRNO(ENOENT, set.remove(pipe.reading));
  EXPECT_OK(set.add(pipe.reading, EPOLLIN));
  EXPECT_ERRNO(EEXIST, set.add(pipe.reading, EPOLLIN));
  EXPECT_ERRNO(EBADF, set.add(-1, EPOLLIN));
  EXPECT_ERRNO(EINVAL, set.add(set.fd(), EPOLLIN));
  EXPECT_ERRNO(EINVAL, set.control(77, pipe.reading, EPOLLIN, 0));
  EXPECT_ERRNO(EFAULT,
               epoll_ctl(set.fd(), EPOLL_CTL_ADD, pipe.writing, bad_pointer<epoll_event>()));
  epoll_event event = {};
  EXPECT_ERRNO(EINVAL, epoll_ctl(pipe.reading, EPOLL_CTL_ADD, pipe.writing, &event));
  EXPECT_ERRNO(EBADF, epoll_ctl(-1, EPOLL_CTL_ADD, pipe.writing, &event));
}

TEST(Epoll, WaitChecksItsArguments) {
  EpollSet set;
  epoll_event event;
  EXPECT_ERRNO(EINVAL, epoll_wait(set.fd(), &event, 0, 0));
  EXPECT_ERRNO(EINVAL, epoll_wait(set.fd(), &event, -1, 0));
  EXPECT_ERRNO(EBADF, epoll_wait(-1, &event, 1, 0));
  const PipeEnds pipe = make_pipe();
  EXPECT_ERRNO(EINVAL, epoll_wait(pipe.reading, &event, 1, 0));
  ASSERT_OK(set.add(pipe.writing, EPOLLOUT));
  EXPECT_ERRNO(EFAULT, epoll_wait(set.fd(), bad_pointer<epoll_event>(), 1, 0));
}

TEST(Epoll, FilesAndDirectoriesAreRefused) {
  EpollSet set;
  const TempDir dir;
  write_file(dir / "file", "");
  const Fd file = open((dir / "file").c_str(), O_RDWR);
  EXPECT_ERRNO(EPERM, set.add(file, EPOLLIN));
  const Fd directory = open(dir.path().c_str(), O_RDONLY | O_DIRECTORY);
  EXPECT_ERRNO(EPERM, set.add(directory, EPOLLIN));
  const Fd null = open("/dev/null", O_RDWR);
  EXPECT_ERRNO(EPERM, set.add(null, EPOLLIN));
}

TEST(Epoll, DataComesBack) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.writing, EPOLLOUT, 0x123456789abcdef0));
  const auto ready = set.wait();
  ASSERT_EQ(1u, ready.size());
  EXPECT_EQ((EpollSet::Ready{EPOLLOUT, 0x123456789abcdef0}), ready[0]);
}

TEST(Epoll, LevelRepeats) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.reading, EPOLLIN));
  EXPECT_EQ(0u, set.next());
  put(pipe.writing);
  EXPECT_EQ(EPOLLIN, set.next());
  EXPECT_EQ(EPOLLIN, set.next());
  take(pipe.reading);
  EXPECT_EQ(0u, set.next());
}

TEST(Epoll, EdgeIsToldOnce) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.reading, EPOLLIN | EPOLLET));
  put(pipe.writing);
  EXPECT_EQ(EPOLLIN, set.next());
  EXPECT_EQ(0u, set.next());
  put(pipe.writing);
  EXPECT_EQ(EPOLLIN, set.next()) << "another write is another edge";
  take(pipe.reading, 1);
  EXPECT_EQ(0u, set.next()) << "reading is none";
}

TEST(Epoll, EdgeIsToldForWhatIsReadyWhenItIsAdded) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  put(pipe.writing);
  ASSERT_OK(set.add(pipe.reading, EPOLLIN | EPOLLET));
  EXPECT_EQ(EPOLLIN, set.next());
  EXPECT_EQ(0u, set.next());
  ASSERT_OK(set.change(pipe.reading, EPOLLIN | EPOLLET));
  EXPECT_EQ(EPOLLIN, set.next()) << "changing arms it again";
}

TEST(Epoll, WritableEdgeNeedsRoomFirst) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  fill(pipe.writing);
  ASSERT_OK(set.add(pipe.writing, EPOLLOUT | EPOLLET));
  EXPECT_EQ(0u, set.next());
  take(pipe.reading, 65536);
  EXPECT_EQ(EPOLLOUT, set.next());
}

TEST(Epoll, OneShotNeedsArming) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.reading, EPOLLIN | EPOLLONESHOT));
  put(pipe.writing);
  EXPECT_EQ(EPOLLIN, set.next());
  put(pipe.writing);
  EXPECT_EQ(0u, set.next());
  ASSERT_OK(set.change(pipe.reading, EPOLLIN | EPOLLONESHOT));
  EXPECT_EQ(EPOLLIN, set.next());
}

TEST(Epoll, ErrorAndHangUpNeedNotBeAskedFor) {
  EpollSet set;
  PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.reading, 0));
  pipe.writing.reset();
  EXPECT_EQ(EPOLLHUP, set.next());
  PipeEnds other = make_pipe();
  ASSERT_OK(set.remove(pipe.reading));
  ASSERT_OK(set.add(other.writing, 0));
  other.reading.reset();
  EXPECT_EQ(EPOLLERR, set.next());
}

TEST(Epoll, ChangingTheEvents) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.writing, EPOLLIN, 1));
  EXPECT_EQ(0u, set.next());
  ASSERT_OK(set.change(pipe.writing, EPOLLOUT, 2));
  const auto ready = set.wait();
  ASSERT_EQ(1u, ready.size());
  EXPECT_EQ((EpollSet::Ready{EPOLLOUT, 2}), ready[0]);
  ASSERT_OK(set.change(pipe.writing, 0));
  EXPECT_EQ(0u, set.next());
}

TEST(Epoll, RemovedDescriptorsAreSilent) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.writing, EPOLLOUT));
  ASSERT_OK(set.remove(pipe.writing));
  EXPECT_EQ(0u, set.next());
  EXPECT_OK(set.add(pipe.writing, EPOLLOUT));
  EXPECT_EQ(EPOLLOUT, set.next());
}

TEST(Epoll, ClosedDescriptorsLeaveTheSet) {
  EpollSet set;
  PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.writing, EPOLLOUT));
  pipe.writing.reset();
  EXPECT_EQ(0u, set.next());
}

// Each end takes the watch apart, and with two processors they do so at the same time.
TEST(Epoll, BothEndsCloseAtOnce) {
  constexpr int kRounds = 2000;
  std::atomic<int> round = 0, done = 0;
  int set = -1, watched = -1;
  std::thread other([&] {
    for (int i = 1; i <= kRounds; ++i) {
      while (round < i) sched_yield();
      EXPECT_OK(close(watched));
      done = i;
    }
  });
  for (int i = 1; i <= kRounds; ++i) {
    set = epoll_create1(0);
    watched = eventfd(0, 0);
    epoll_event event = {};
    event.events = EPOLLIN;
    EXPECT_OK(epoll_ctl(set, EPOLL_CTL_ADD, watched, &event));
    round = i;
    EXPECT_OK(close(set));
    while (done < i) sched_yield();
  }
  other.join();
}

TEST(Epoll, DuplicateKeepsAClosedDescriptorInTheSet) {
  EpollSet set;
  PipeEnds pipe = make_pipe();
  Fd copy = dup(pipe.writing);
  ASSERT_OK(set.add(pipe.writing, EPOLLOUT, 5));
  ASSERT_OK(set.add(copy, EPOLLOUT, 6)) << "it is another descriptor";
  EXPECT_EQ(2u, set.wait().size());
  pipe.writing.reset();
  EXPECT_EQ(2u, set.wait().size()) << "the open file lives on";
  copy.reset();
  EXPECT_EQ(0u, set.wait().size());
}

TEST(Epoll, ReadyOnesTakeTurns) {
  EpollSet set;
  const PipeEnds one = make_pipe(), two = make_pipe();
  ASSERT_OK(set.add(one.writing, EPOLLOUT, 1));
  ASSERT_OK(set.add(two.writing, EPOLLOUT, 2));
  const uint64_t first = set.wait(0, 1)[0].data;
  const uint64_t second = set.wait(0, 1)[0].data;
  EXPECT_EQ(3u, first + second);
}

TEST(Epoll, TimeoutIsKept) {
  EpollSet set;
  const auto time = duration_of([&] { EXPECT_EQ(0u, set.next(60)); });
  EXPECT_GE(time, milliseconds(59));
}

TEST(Epoll, WaitsForAnotherThread) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.reading, EPOLLIN));
  std::thread writing([&] {
    let_others_block();
    put(pipe.writing);
  });
  EXPECT_EQ(EPOLLIN, set.next(-1));
  writing.join();
}

TEST(Epoll, DescriptorAddedWhileWaitingCounts) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  std::thread adding([&] {
    let_others_block();
    EXPECT_OK(set.add(pipe.writing, EPOLLOUT));
  });
  EXPECT_EQ(EPOLLOUT, set.next(-1));
  adding.join();
}

TEST(Epoll, SetIsReadableWhenSomethingIsReady) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.reading, EPOLLIN));
  EXPECT_EQ(0, poll_once(set.fd(), POLLIN));
  put(pipe.writing);
  EXPECT_EQ(POLLIN, poll_once(set.fd(), POLLIN));
  take(pipe.reading);
  EXPECT_EQ(0, poll_once(set.fd(), POLLIN));
}

TEST(Epoll, SetsMayBeNested) {
  EpollSet outer, inner;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(inner.add(pipe.reading, EPOLLIN));
  ASSERT_OK(outer.add(inner.fd(), EPOLLIN, 9));
  EXPECT_EQ(0u, outer.next());
  put(pipe.writing);
  const auto ready = outer.wait();
  ASSERT_EQ(1u, ready.size());
  EXPECT_EQ((EpollSet::Ready{EPOLLIN, 9}), ready[0]);
  EXPECT_EQ(EPOLLIN, inner.next());
  take(pipe.reading);
  EXPECT_EQ(0u, outer.next());
}

TEST(Epoll, NestedSetWakesAWaiter) {
  EpollSet outer, inner;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(inner.add(pipe.reading, EPOLLIN));
  ASSERT_OK(outer.add(inner.fd(), EPOLLIN));
  std::thread writing([&] {
    let_others_block();
    put(pipe.writing);
  });
  EXPECT_EQ(EPOLLIN, outer.next(-1));
  writing.join();
}

TEST(Epoll, CyclesAreRefused) {
  EpollSet one, two;
  ASSERT_OK(one.add(two.fd(), EPOLLIN));
  EXPECT_ERRNO(ELOOP, two.add(one.fd(), EPOLLIN));
}

TEST(Epoll, NestingHasALimit) {
  EpollSet sets[7];
  for (int i = 0; i < 6; ++i) {
    const int result = sets[i + 1].add(sets[i].fd(), EPOLLIN);
    if (result == 0) continue;
    EXPECT_TRUE(errno == ELOOP || errno == EINVAL) << errno;
    EXPECT_GE(i, 4);
    return;
  }
  FAIL() << "six sets in one another";
}

TEST(Epoll, ExclusiveHasItsOwnRules) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  EXPECT_ERRNO(EINVAL, set.add(pipe.reading, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
  EXPECT_OK(set.add(pipe.reading, EPOLLIN | EPOLLEXCLUSIVE));
  EXPECT_ERRNO(EINVAL, set.change(pipe.reading, EPOLLIN));
  EXPECT_ERRNO(EINVAL, set.change(pipe.reading, EPOLLIN | EPOLLEXCLUSIVE));
  EpollSet other;
  EXPECT_ERRNO(EINVAL, other.add(set.fd(), EPOLLIN | EPOLLEXCLUSIVE));
}

// As when one worker of a server computes: what comes meanwhile is for the others.
TEST(Epoll, AnExclusiveEventPassesASetInWhichNobodySleeps) {
  const PipeEnds pipe = make_pipe();
  EpollSet busy, idle;
  ASSERT_OK(busy.add(pipe.reading, EPOLLIN | EPOLLEXCLUSIVE));
  ASSERT_OK(idle.add(pipe.reading, EPOLLIN | EPOLLEXCLUSIVE));
  std::atomic<uint32_t> heard = 0;
  std::thread waiter([&] { heard = idle.next(5'000); });
  let_others_block();
  put(pipe.writing);
  waiter.join();
  EXPECT_EQ(uint32_t{EPOLLIN}, heard);
  EXPECT_EQ(uint32_t{EPOLLIN}, busy.next(0));
}

TEST(Epoll, AnExclusiveEventWakesOneSetOfTwo) {
  const PipeEnds pipe = make_pipe();
  EpollSet first, second;
  ASSERT_OK(first.add(pipe.reading, EPOLLIN | EPOLLEXCLUSIVE));
  ASSERT_OK(second.add(pipe.reading, EPOLLIN | EPOLLEXCLUSIVE));
  std::atomic<int> woken = 0;
  const auto wait = [&](EpollSet& set) {
    if (set.next(300) != 0) ++woken;
  };
  std::thread one([&] { wait(first); }), two([&] { wait(second); });
  let_others_block();
  put(pipe.writing);
  one.join();
  two.join();
  EXPECT_EQ(1, woken);
}

TEST(Epoll, OneEventWakesOneWaiterOfASet) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.reading, EPOLLIN | EPOLLET));
  std::atomic<int> woken = 0;
  const auto wait = [&] {
    if (set.next(300) != 0) ++woken;
  };
  std::thread one(wait), two(wait);
  let_others_block();
  put(pipe.writing);
  one.join();
  two.join();
  EXPECT_EQ(1, woken);
}

TEST(Epoll, SignalInterruptsIt) {
  const ScopedAction action(SIGALRM, record_signal, SA_RESTART);
  record.count = 0;
  EpollSet set;
  std::atomic<bool> done = false;
  std::thread waiting([&] {
    epoll_event event;
    EXPECT_ERRNO(EINTR, epoll_wait(set.fd(), &event, 1, -1));
    done = true;
  });
  while (!done) {
    sleep_for(milliseconds(2));
    if (!done) pthread_kill(waiting.native_handle(), SIGALRM);
  }
  waiting.join();
}

TEST(Epoll, PwaitMaskHoldsWhileItWaits) {
  const ScopedAction action(SIGUSR1, record_signal);
  record.count = 0;
  const Blocked blocked({SIGUSR1});
  ASSERT_OK(raise(SIGUSR1));
  EpollSet set;
  epoll_event event;
  const sigset_t none = set_of({});
  EXPECT_ERRNO(EINTR, epoll_pwait(set.fd(), &event, 1, kLong, &none));
  EXPECT_EQ(1u, record.count);
  EXPECT_TRUE(is_blocked(SIGUSR1));
}

TEST(Epoll, Pwait2HasNanoseconds) {
  EpollSet set;
  epoll_event event;
  timespec limit = {.tv_sec = 0, .tv_nsec = 20'000'000};
  const auto time = duration_of(
      [&] { EXPECT_EQ(0, syscall(SYS_epoll_pwait2, set.fd(), &event, 1, &limit, nullptr, 8)); });
  EXPECT_GE(time, milliseconds(19));
  limit.tv_nsec = 1'000'000'000;
  EXPECT_ERRNO(EINVAL, syscall(SYS_epoll_pwait2, set.fd(), &event, 1, &limit, nullptr, 8));
}

TEST(Epoll, TimersAndCountersAreEvents) {
  EpollSet set;
  const Fd counter = eventfd(0, 0);
  const Fd timer = timerfd_create(CLOCK_MONOTONIC, 0);
  ASSERT_OK(set.add(counter, EPOLLIN, 1));
  ASSERT_OK(set.add(timer, EPOLLIN, 2));
  EXPECT_EQ(0u, set.wait().size());
  const itimerspec soon = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 5'000'000}};
  ASSERT_OK(timerfd_settime(timer, 0, &soon, nullptr));
  auto ready = set.wait(kLong);
  ASSERT_EQ(1u, ready.size());
  EXPECT_EQ((EpollSet::Ready{EPOLLIN, 2}), ready[0]);
  ASSERT_OK(eventfd_write(counter, 1));
  EXPECT_EQ(2u, set.wait().size());
}

TEST(Epoll, InfoIsInProc) {
  EpollSet set;
  const PipeEnds pipe = make_pipe();
  ASSERT_OK(set.add(pipe.reading, EPOLLIN, 0xab));
  const std::string text = read_file("/proc/self/fdinfo/" + std::to_string(set.fd()));
  char wanted[80];
  snprintf(wanted, sizeof wanted, "tfd: %8d events: %8x data: %16x", int(pipe.reading),
           EPOLLIN | EPOLLERR | EPOLLHUP, 0xab);
  EXPECT_NE(std::string::npos, text.find(wanted)) << text;
}

}  // namespace
}  // namespace compat
