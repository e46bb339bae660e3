// Descriptors apart from the files behind them: dup(2), fcntl(2), close(2), close_range(2),
// ioctl(2)'s common part.
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

class Descriptor : public testing::Test {
 protected:
  Descriptor() {
    write_file(dir / "file", "0123456789");
    fd.reset(open((dir / "file").c_str(), O_RDWR));
  }

  bool is_open(int candidate) { return fcntl(candidate, F_GETFD) != -1; }

  TempDir dir;
  Fd fd;
};

TEST_F(Descriptor, DupSharesThePosition) {
  Fd copy(dup(fd));
  ASSERT_OK(copy);
  ASSERT_OK(lseek(fd, 4, SEEK_SET));
  EXPECT_EQ(4, position(copy));
}

TEST_F(Descriptor, TwoOpensHaveTwoPositions) {
  Fd other(open((dir / "file").c_str(), O_RDWR));
  ASSERT_OK(lseek(fd, 4, SEEK_SET));
  EXPECT_EQ(0, position(other));
}

TEST_F(Descriptor, DupSharesStatusFlagsButNotCloseOnExec) {
  ASSERT_OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
  Fd copy(dup(fd));
  EXPECT_EQ(0, fcntl(copy, F_GETFD));
  ASSERT_OK(fcntl(copy, F_SETFL, O_APPEND));
  EXPECT_EQ(O_APPEND, fcntl(fd, F_GETFL) & O_APPEND);
}

TEST_F(Descriptor, FileLivesUntilTheLastCopyIsClosed) {
  Fd copy(dup(fd));
  fd.reset();
  char byte;
  EXPECT_EQ(1, read(copy, &byte, 1));
  EXPECT_EQ('0', byte);
}

TEST_F(Descriptor, BadDescriptors) {
  EXPECT_ERRNO(EBADF, dup(-1));
  EXPECT_ERRNO(EBADF, close(-1));
  EXPECT_ERRNO(EBADF, fcntl(-1, F_GETFD));
  EXPECT_ERRNO(EBADF, dup2(-1, fd));
  EXPECT_ERRNO(EBADF, dup2(fd, -1));
  EXPECT_TRUE(is_open(fd));
  const int closed = dup(fd);
  ASSERT_OK(close(closed));
  EXPECT_ERRNO(EBADF, close(closed));
  EXPECT_ERRNO(EBADF, dup2(closed, closed));
}

TEST_F(Descriptor, Dup2OntoItself) {
  ASSERT_OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
  EXPECT_EQ(fd, dup2(fd, fd));
  EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
}

TEST_F(Descriptor, Dup2ReplacesItsTarget) {
  Fd target(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_EQ(target, dup2(fd, target));
  EXPECT_EQ(0, fcntl(target, F_GETFD));
  EXPECT_EQ("0123456789", read_fd(target));
}

TEST_F(Descriptor, Dup2ClosesWhatItReplaces) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd reader(ends[0]), writer(ends[1]);
  ASSERT_OK(dup2(fd, writer));
  char byte;
  EXPECT_EQ(0, read(reader, &byte, 1));
}

TEST_F(Descriptor, Dup3) {
  EXPECT_ERRNO(EINVAL, dup3(fd, fd, 0));
  Fd target(dup(fd));
  EXPECT_ERRNO(EINVAL, dup3(fd, target, O_NONBLOCK));
  EXPECT_EQ(target, dup3(fd, target, O_CLOEXEC));
  EXPECT_EQ(FD_CLOEXEC, fcntl(target, F_GETFD));
}

TEST_F(Descriptor, DuplicateFromAMinimumOn) {
  Fd plain(fcntl(fd, F_DUPFD, 200));
  EXPECT_EQ(200, plain);
  Fd closing(fcntl(fd, F_DUPFD_CLOEXEC, 200));
  EXPECT_EQ(201, closing);
  EXPECT_EQ(0, fcntl(plain, F_GETFD));
  EXPECT_EQ(FD_CLOEXEC, fcntl(closing, F_GETFD));
  EXPECT_ERRNO(EINVAL, fcntl(fd, F_DUPFD, -1));
}

TEST_F(Descriptor, StatusFlagsThatCanChange) {
  ASSERT_OK(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY | O_CREAT | O_TRUNC));
  const int flags = fcntl(fd, F_GETFL);
  EXPECT_EQ(O_RDWR, flags & O_ACCMODE);
  EXPECT_EQ(O_APPEND | O_NONBLOCK, flags & (O_APPEND | O_NONBLOCK | O_CREAT | O_TRUNC));
  EXPECT_EQ("0123456789", read_fd(fd));
  ASSERT_OK(fcntl(fd, F_SETFL, 0));
  EXPECT_EQ(0, fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK));
}

TEST_F(Descriptor, UnknownFcntl) {
  EXPECT_ERRNO(EINVAL, fcntl(fd, 12345));
}

TEST_F(Descriptor, CloseOnExecByIoctl) {
  ASSERT_OK(ioctl(fd, FIOCLEX));
  EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
  ASSERT_OK(ioctl(fd, FIONCLEX));
  EXPECT_EQ(0, fcntl(fd, F_GETFD));
}

TEST_F(Descriptor, NonBlockingByIoctl) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd reader(ends[0]), writer(ends[1]);
  int on = 1;
  ASSERT_OK(ioctl(reader, FIONBIO, &on));
  EXPECT_EQ(O_NONBLOCK, fcntl(reader, F_GETFL) & O_NONBLOCK);
  char byte;
  EXPECT_ERRNO(EAGAIN, read(reader, &byte, 1));
  on = 0;
  ASSERT_OK(ioctl(reader, FIONBIO, &on));
  EXPECT_EQ(0, fcntl(reader, F_GETFL) & O_NONBLOCK);
  EXPECT_ERRNO(EFAULT, ioctl(reader, FIONBIO, bad_pointer<int>()));
}

TEST_F(Descriptor, BytesLeftInAFile) {
  int count = -1;
  ASSERT_OK(lseek(fd, 4, SEEK_SET));
  ASSERT_OK(ioctl(fd, FIONREAD, &count));
  EXPECT_EQ(6, count);
}

TEST_F(Descriptor, TerminalIoctlOnAFile) {
  winsize size;
  EXPECT_ERRNO(ENOTTY, ioctl(fd, TIOCGWINSZ, &size));
  EXPECT_EQ(0, isatty(fd));
  EXPECT_EQ(ENOTTY, errno);
}

TEST_F(Descriptor, CloseRange) {
  Fd first(fcntl(fd, F_DUPFD, 300)), second(fcntl(fd, F_DUPFD, 305)),
      third(fcntl(fd, F_DUPFD, 310));
  ASSERT_OK(syscall(SYS_close_range, 300, 309, 0));
  EXPECT_FALSE(is_open(first));
  EXPECT_FALSE(is_open(second));
  EXPECT_TRUE(is_open(third));
  first.release();
  second.release();
  EXPECT_ERRNO(EINVAL, syscall(SYS_close_range, 310, 300, 0));
  EXPECT_ERRNO(EINVAL, syscall(SYS_close_range, 300, 310, 1 << 30));
}

TEST_F(Descriptor, CloseRangeCanOnlyMark) {
  Fd first(fcntl(fd, F_DUPFD, 300)), second(fcntl(fd, F_DUPFD, 305));
  ASSERT_OK(syscall(SYS_close_range, 305, ~0u, CLOSE_RANGE_CLOEXEC));
  EXPECT_EQ(0, fcntl(first, F_GETFD));
  EXPECT_EQ(FD_CLOEXEC, fcntl(second, F_GETFD));
}

TEST_F(Descriptor, ProcSelfFdNamesTheFile) {
  char target[4096] = {};
  ASSERT_OK(readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target - 1));
  EXPECT_EQ(dir / "file", target);
}

TEST_F(Descriptor, OpeningProcSelfFdMakesANewDescription) {
  ASSERT_OK(lseek(fd, 4, SEEK_SET));
  Fd again(open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY));
  ASSERT_OK(again);
  EXPECT_EQ(0, position(again));
  EXPECT_EQ("0123456789", read_fd(again));
}

TEST_F(Descriptor, DevFdNamesDescriptorsToo) {
  Fd again(open(("/dev/fd/" + std::to_string(fd)).c_str(), O_RDONLY));
  ASSERT_OK(again);
  EXPECT_EQ("0123456789", read_fd(again));
}

// Queries of fcntl(2) since Linux 6.10 and 6.12.
TEST_F(Descriptor, Queries) {
  constexpr int kSameFile = 1027, kWasCreated = 1028;
  Fd first(open((dir / "fresh").c_str(), O_CREAT | O_RDWR, 0600));
  Fd copy(dup(first)), second(open((dir / "fresh").c_str(), O_CREAT | O_RDWR, 0600));
  if (fcntl(first, kSameFile, int(copy)) < 0 || fcntl(first, kWasCreated, 0) < 0)
    GTEST_SKIP() << "an older kernel";
  EXPECT_EQ(1, fcntl(first, kSameFile, int(copy)));
  EXPECT_EQ(0, fcntl(first, kSameFile, int(second)));
  EXPECT_ERRNO(EBADF, fcntl(first, kSameFile, -1));
  EXPECT_EQ(1, fcntl(first, kWasCreated, 0));
  EXPECT_EQ(1, fcntl(copy, kWasCreated, 0));
  EXPECT_EQ(0, fcntl(second, kWasCreated, 0));
}

// cachestat(2), since Linux 6.5.
TEST_F(Descriptor, PagesInMemory) {
  Fd file(memfd_create("pages", 0));
  struct {
    uint64_t offset, length;
  } range{};
  struct {
    uint64_t cached, dirty, written_back, evicted, recently_evicted;
  } found{};
  const std::string page(kPage, 'x');
  ASSERT_EQ(ssize_t(kPage), pwrite(file, page.data(), kPage, 0));
  ASSERT_EQ(ssize_t(kPage), pwrite(file, page.data(), kPage, 4 * kPage));
  if (syscall(451, int(file), &range, &found, 0) < 0 && errno == ENOSYS)
    GTEST_SKIP() << "an older kernel";
  EXPECT_EQ(2u, found.cached);
  EXPECT_EQ(0u, found.evicted);
  range.length = kPage;
  EXPECT_OK(syscall(451, int(file), &range, &found, 0));
  EXPECT_EQ(1u, found.cached);
  range = {3 * kPage, 10 * kPage};
  EXPECT_OK(syscall(451, int(file), &range, &found, 0));
  EXPECT_EQ(1u, found.cached);
  EXPECT_ERRNO(EINVAL, syscall(451, int(file), &range, &found, 1));
  EXPECT_ERRNO(EBADF, syscall(451, -1, &range, &found, 0));
  EXPECT_ERRNO(EFAULT, syscall(451, int(file), nullptr, &found, 0));
}

}  // namespace
}  // namespace compat
