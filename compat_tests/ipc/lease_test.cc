// Leases: fcntl(2), F_SETLEASE.
#include <fcntl.h>
#include <sys/stat.h>

#include "compat_tests/ipc/ipc.h"

namespace compat {
namespace {

class Lease : public testing::Test {
 protected:
  Lease() { write_file(path, "content"); }
  Fd open_file(int flags) { return Fd(open(path.c_str(), flags)); }

  TempDir dir;
  const std::string path = dir / "file";
};

TEST_F(Lease, SetAndGet) {
  const Fd file = open_file(O_RDONLY);
  EXPECT_EQ(F_UNLCK, fcntl(file, F_GETLEASE));
  EXPECT_ERRNO(EAGAIN, fcntl(file, F_SETLEASE, F_UNLCK));
  EXPECT_OK(fcntl(file, F_SETLEASE, F_RDLCK));
  EXPECT_EQ(F_RDLCK, fcntl(file, F_GETLEASE));
  EXPECT_OK(fcntl(file, F_SETLEASE, F_WRLCK));
  EXPECT_EQ(F_WRLCK, fcntl(file, F_GETLEASE));
  EXPECT_OK(fcntl(file, F_SETLEASE, F_UNLCK));
  EXPECT_EQ(F_UNLCK, fcntl(file, F_GETLEASE));
  EXPECT_ERRNO(EINVAL, fcntl(file, F_SETLEASE, 17));
}

TEST_F(Lease, ReadLeasesNeedThatNobodyWrites) {
  Fd writer = open_file(O_RDWR);
  EXPECT_ERRNO(EAGAIN, fcntl(writer, F_SETLEASE, F_RDLCK));
  const Fd reader = open_file(O_RDONLY);
  EXPECT_ERRNO(EAGAIN, fcntl(reader, F_SETLEASE, F_RDLCK));
  writer.reset();
  EXPECT_OK(fcntl(reader, F_SETLEASE, F_RDLCK));
}

TEST_F(Lease, WriteLeasesNeedToBeAlone) {
  const Fd one = open_file(O_RDWR);
  {
    const Fd two = open_file(O_RDONLY);
    EXPECT_ERRNO(EAGAIN, fcntl(one, F_SETLEASE, F_WRLCK));
    EXPECT_ERRNO(EAGAIN, fcntl(two, F_SETLEASE, F_WRLCK));
  }
  EXPECT_OK(fcntl(one, F_SETLEASE, F_WRLCK));
}

TEST_F(Lease, ReadLeasesAreShared) {
  const Fd one = open_file(O_RDONLY), two = open_file(O_RDONLY);
  EXPECT_OK(fcntl(one, F_SETLEASE, F_RDLCK));
  EXPECT_OK(fcntl(two, F_SETLEASE, F_RDLCK));
  EXPECT_ERRNO(EAGAIN, fcntl(one, F_SETLEASE, F_WRLCK));
  const Fd third = open_file(O_RDONLY);
  EXPECT_GE(third, 0);
}

TEST_F(Lease, BelongsToTheDescription) {
  Fd file = open_file(O_RDONLY);
  const Fd copy(dup(file));
  ASSERT_OK(fcntl(file, F_SETLEASE, F_RDLCK));
  EXPECT_EQ(F_RDLCK, fcntl(copy, F_GETLEASE));
  file.reset();
  EXPECT_EQ(F_RDLCK, fcntl(copy, F_GETLEASE));
}

TEST_F(Lease, OnlyRegularFiles) {
  const Fd directory(open(dir.path().c_str(), O_RDONLY));
  EXPECT_ERRNO(EINVAL, fcntl(directory, F_SETLEASE, F_RDLCK));
}

TEST_F(Lease, OpenedAgainAndAgain) {
  // What was given back with its description is not found by the next.
  for (int i = 0; i < 3; ++i) {
    const Fd file = open_file(O_RDONLY);
    EXPECT_EQ(F_UNLCK, fcntl(file, F_GETLEASE));
    EXPECT_OK(fcntl(file, F_SETLEASE, F_WRLCK));
  }
  EXPECT_OK(open_file(O_RDWR | O_NONBLOCK));
}

TEST_F(Lease, OwnersOnly) {
  NEEDS_ROOT();
  ASSERT_OK(chmod(dir.path().c_str(), 0755));
  as_other_user([&] {
    const Fd file = open_file(O_RDONLY);
    ASSERT_GE(file, 0);
    EXPECT_ERRNO(EACCES, fcntl(file, F_SETLEASE, F_RDLCK));
  });
}

TEST_F(Lease, BreakingSendsASignal) {
  const Blocked blocked({SIGIO, SIGRTMIN});
  const Fd file = open_file(O_RDONLY);
  ASSERT_OK(fcntl(file, F_SETLEASE, F_WRLCK));
  EXPECT_EQ(getpid(), fcntl(file, F_GETOWN));
  // A reader leaves the lease to read.
  EXPECT_ERRNO(EWOULDBLOCK, open(path.c_str(), O_RDONLY | O_NONBLOCK));
  const sigset_t set = set_of({SIGIO, SIGRTMIN});
  const timespec second = {1, 0};
  siginfo_t info;
  ASSERT_EQ(SIGIO, sigtimedwait(&set, &info, &second));
  EXPECT_EQ(info.si_code, SI_KERNEL);
  EXPECT_EQ(F_RDLCK, fcntl(file, F_GETLEASE));
  ASSERT_OK(fcntl(file, F_SETLEASE, F_RDLCK));
  EXPECT_OK(open_file(O_RDONLY));
  // A writer leaves nothing of it.
  ASSERT_OK(fcntl(file, F_SETSIG, SIGRTMIN));
  EXPECT_ERRNO(EWOULDBLOCK, open(path.c_str(), O_WRONLY | O_NONBLOCK));
  ASSERT_EQ(SIGRTMIN, sigtimedwait(&set, &info, &second));
  EXPECT_EQ(info.si_code, POLL_MSG);
  EXPECT_EQ(info.si_fd, int(file));
  EXPECT_EQ(F_UNLCK, fcntl(file, F_GETLEASE));
  ASSERT_OK(fcntl(file, F_SETLEASE, F_UNLCK));
  EXPECT_OK(open_file(O_WRONLY));
}

TEST_F(Lease, OpeningWaitsForTheHolder) {
  const Blocked blocked({SIGIO});
  const Fd file = open_file(O_RDONLY);
  ASSERT_OK(fcntl(file, F_SETLEASE, F_WRLCK));
  std::atomic<bool> given_up = false;
  std::thread opener([&] {
    const Fd opened = open_file(O_RDWR);
    EXPECT_GE(opened, 0);
    EXPECT_TRUE(given_up);
  });
  const sigset_t set = set_of({SIGIO});
  const timespec long_time = {20, 0};
  EXPECT_EQ(SIGIO, sigtimedwait(&set, nullptr, &long_time));
  given_up = true;
  EXPECT_OK(fcntl(file, F_SETLEASE, F_UNLCK));
  opener.join();
}

TEST_F(Lease, ClosingGivesItUp) {
  const Blocked blocked({SIGIO});
  Fd file = open_file(O_RDONLY);
  ASSERT_OK(fcntl(file, F_SETLEASE, F_RDLCK));
  std::thread opener([&] { EXPECT_OK(truncate(path.c_str(), 0)); });
  const sigset_t set = set_of({SIGIO});
  const timespec long_time = {20, 0};
  EXPECT_EQ(SIGIO, sigtimedwait(&set, nullptr, &long_time));
  file.reset();
  opener.join();
}

}  // namespace
}  // namespace compat
