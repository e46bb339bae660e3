// read(2), write(2), their positioned and vectored forms, and lseek(2), on regular files.
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

class ReadWrite : public testing::Test {
 protected:
  ReadWrite() {
    write_file(dir / "file", "0123456789");
    fd.reset(open((dir / "file").c_str(), O_RDWR));
  }

  TempDir dir;
  Fd fd;
  char buffer[32] = {};
};

iovec part(const void* data, size_t size) {
  return {const_cast<void*>(data), size};
}

TEST_F(ReadWrite, ReadStopsAtTheEnd) {
  EXPECT_EQ(10, read(fd, buffer, sizeof buffer));
  EXPECT_EQ(0, read(fd, buffer, sizeof buffer));
  ASSERT_OK(lseek(fd, 8, SEEK_SET));
  EXPECT_EQ(2, read(fd, buffer, sizeof buffer));
  ASSERT_OK(lseek(fd, 100, SEEK_SET));
  EXPECT_EQ(0, read(fd, buffer, sizeof buffer));
}

TEST_F(ReadWrite, WriteGrowsTheFile) {
  ASSERT_OK(lseek(fd, 8, SEEK_SET));
  EXPECT_EQ(4, write(fd, "abcd", 4));
  EXPECT_EQ(12, position(fd));
  EXPECT_EQ("01234567abcd", read_fd(fd));
}

TEST_F(ReadWrite, WritePastTheEndLeavesAHole) {
  EXPECT_EQ(1, pwrite(fd, "x", 1, 10000));
  const std::string content = read_fd(fd);
  EXPECT_EQ("0123456789" + std::string(9990, '\0') + "x", content);
}

TEST_F(ReadWrite, EmptyTransfers) {
  EXPECT_EQ(0, read(fd, buffer, 0));
  EXPECT_EQ(0, write(fd, buffer, 0));
  EXPECT_EQ(0, position(fd));
  EXPECT_ERRNO(EBADF, read(-1, buffer, 0));
}

TEST_F(ReadWrite, BadBuffers) {
  EXPECT_ERRNO(EFAULT, read(fd, bad_pointer<char>(), 4));
  EXPECT_ERRNO(EFAULT, write(fd, bad_pointer<char>(), 4));
  EXPECT_EQ("0123456789", read_fd(fd));
  EXPECT_EQ(0, position(fd));
  // Past the end nothing is copied, so that nothing can go wrong.
  ASSERT_OK(lseek(fd, 0, SEEK_END));
  EXPECT_EQ(0, read(fd, bad_pointer<char>(), 4));
}

TEST_F(ReadWrite, KernelAddressAsBuffer) {
  auto* kernel = reinterpret_cast<char*>(0xffff'8000'0000'0000);
  EXPECT_ERRNO(EFAULT, syscall(SYS_read, static_cast<int>(fd), kernel, 4));
  EXPECT_ERRNO(EFAULT, syscall(SYS_write, static_cast<int>(fd), kernel, 4));
}

TEST_F(ReadWrite, BufferThatEndsEarly) {
  ASSERT_TRUE(write_all(fd, pattern(2 * kPage)));
  auto* map = static_cast<char*>(
      mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(MAP_FAILED, map);
  ASSERT_OK(mprotect(map + kPage, kPage, PROT_NONE));
  // What fits before the bad page is read, and counted.
  EXPECT_EQ(100, pread(fd, map + kPage - 100, kPage, 0));
  EXPECT_EQ(pattern(2 * kPage).substr(0, 100), std::string(map + kPage - 100, 100));
  munmap(map, 2 * kPage);
}

TEST_F(ReadWrite, PositionedTransfersLeaveThePosition) {
  ASSERT_OK(lseek(fd, 3, SEEK_SET));
  EXPECT_EQ(2, pread(fd, buffer, 2, 5));
  EXPECT_STREQ("56", buffer);
  EXPECT_EQ(2, pwrite(fd, "ab", 2, 5));
  EXPECT_EQ(3, position(fd));
  EXPECT_EQ("01234ab789", read_fd(fd));
  EXPECT_ERRNO(EINVAL, pread(fd, buffer, 2, -1));
  EXPECT_ERRNO(EINVAL, pwrite(fd, buffer, 2, -1));
}

TEST_F(ReadWrite, PositionedTransfersNeedAFileWithPositions) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd reader(ends[0]), writer(ends[1]);
  EXPECT_ERRNO(ESPIPE, pread(reader, buffer, 1, 0));
  EXPECT_ERRNO(ESPIPE, pwrite(writer, buffer, 1, 0));
  EXPECT_ERRNO(ESPIPE, lseek(reader, 0, SEEK_CUR));
}

TEST_F(ReadWrite, GatherAndScatter) {
  const iovec out[] = {part("ab", 2), part(nullptr, 0), part("cde", 3)};
  EXPECT_EQ(5, writev(fd, out, 3));
  EXPECT_EQ("abcde56789", read_fd(fd));
  ASSERT_OK(lseek(fd, 0, SEEK_SET));
  char first[4] = {}, second[8] = {};
  const iovec in[] = {part(first, 3), part(second, 8)};
  EXPECT_EQ(10, readv(fd, in, 2));
  EXPECT_STREQ("abc", first);
  EXPECT_EQ("de56789", std::string(second, 7));
}

TEST_F(ReadWrite, VectorLimits) {
  std::vector<iovec> parts(IOV_MAX + 1, part(buffer, 0));
  EXPECT_ERRNO(EINVAL, readv(fd, parts.data(), IOV_MAX + 1));
  EXPECT_EQ(0, readv(fd, parts.data(), IOV_MAX));
  EXPECT_EQ(0, readv(fd, parts.data(), 0));
  EXPECT_ERRNO(EINVAL, readv(fd, parts.data(), -1));
  EXPECT_ERRNO(EFAULT, readv(fd, bad_pointer<iovec>(), 1));
  const iovec negative[] = {part(buffer, 1), part(buffer, SIZE_MAX)};
  EXPECT_ERRNO(EINVAL, readv(fd, negative, 2));
  EXPECT_ERRNO(EINVAL, writev(fd, negative, 2));
}

TEST_F(ReadWrite, VectorWithOneBadPart) {
  const iovec in[] = {part(buffer, 4), part(bad_pointer<char>(), 4)};
  EXPECT_EQ(4, readv(fd, in, 2));
  EXPECT_EQ("0123", std::string(buffer, 4));
  EXPECT_EQ(4, position(fd));
}

TEST_F(ReadWrite, PositionedVectors) {
  char first[3] = {}, second[3] = {};
  const iovec in[] = {part(first, 2), part(second, 2)};
  EXPECT_EQ(4, preadv(fd, in, 2, 4));
  EXPECT_STREQ("45", first);
  EXPECT_STREQ("67", second);
  const iovec out[] = {part("x", 1), part("y", 1)};
  EXPECT_EQ(2, pwritev(fd, out, 2, 9));
  EXPECT_EQ("012345678xy", read_fd(fd));
  EXPECT_EQ(0, position(fd));
  EXPECT_ERRNO(EINVAL, preadv(fd, in, 2, -1));
}

TEST_F(ReadWrite, Preadv2AtTheCurrentPosition) {
  ASSERT_OK(lseek(fd, 4, SEEK_SET));
  const iovec in = part(buffer, 3);
  EXPECT_EQ(3, preadv2(fd, &in, 1, -1, 0));
  EXPECT_STREQ("456", buffer);
  EXPECT_EQ(7, position(fd));
}

TEST_F(ReadWrite, Pwritev2Flags) {
  const iovec out = part("!", 1);
  EXPECT_EQ(1, pwritev2(fd, &out, 1, 0, RWF_APPEND));
  EXPECT_EQ("0123456789!", read_fd(fd));
  EXPECT_EQ(1, pwritev2(fd, &out, 1, 0, RWF_DSYNC));
  EXPECT_EQ("!123456789!", read_fd(fd));
  EXPECT_ERRNO(EOPNOTSUPP, pwritev2(fd, &out, 1, 0, 1 << 30));
}

TEST_F(ReadWrite, SeekFromEveryOrigin) {
  EXPECT_EQ(4, lseek(fd, 4, SEEK_SET));
  EXPECT_EQ(6, lseek(fd, 2, SEEK_CUR));
  EXPECT_EQ(9, lseek(fd, -1, SEEK_END));
  EXPECT_EQ(1000, lseek(fd, 990, SEEK_END));
  EXPECT_EQ(10, static_cast<off_t>(read_fd(fd).size()));
}

TEST_F(ReadWrite, ImpossibleSeeks) {
  ASSERT_OK(lseek(fd, 4, SEEK_SET));
  EXPECT_ERRNO(EINVAL, lseek(fd, -1, SEEK_SET));
  EXPECT_ERRNO(EINVAL, lseek(fd, -5, SEEK_CUR));
  EXPECT_ERRNO(EINVAL, lseek(fd, -11, SEEK_END));
  EXPECT_ERRNO(EINVAL, lseek(fd, 0, 17));
  EXPECT_EQ(4, position(fd));
}

TEST_F(ReadWrite, SeekToDataAndHoles) {
  EXPECT_EQ(0, lseek(fd, 0, SEEK_DATA));
  EXPECT_EQ(10, lseek(fd, 0, SEEK_HOLE));
  EXPECT_ERRNO(ENXIO, lseek(fd, 10, SEEK_DATA));
  EXPECT_ERRNO(ENXIO, lseek(fd, 11, SEEK_HOLE));
  EXPECT_ERRNO(ENXIO, lseek(fd, -1, SEEK_DATA));
}

TEST_F(ReadWrite, SeekOverALargeHole) {
  // File systems differ in the size of what they can leave out, so look far from the edges.
  constexpr off_t kFar = 8 << 20;
  ASSERT_EQ(1, pwrite(fd, "x", 1, kFar));
  const off_t hole = lseek(fd, 0, SEEK_HOLE);
  EXPECT_GE(hole, 10);
  EXPECT_LE(hole, 1 << 20);
  const off_t data = lseek(fd, 4 << 20, SEEK_DATA);
  EXPECT_GT(data, 4 << 20);
  EXPECT_LE(data, kFar);
  EXPECT_EQ(kFar + 1, lseek(fd, kFar, SEEK_HOLE));
}

TEST_F(ReadWrite, FileSizeLimit) {
  rlimit old_limit;
  ASSERT_OK(getrlimit(RLIMIT_FSIZE, &old_limit));
  const rlimit limit = {.rlim_cur = 16, .rlim_max = old_limit.rlim_max};
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  ASSERT_OK(setrlimit(RLIMIT_FSIZE, &limit));
  const ssize_t first = pwrite(fd, "abcdefgh", 8, 12);
  const ssize_t second = pwrite(fd, "abcdefgh", 8, 16);
  const int error = errno;
  const int truncated = ftruncate(fd, 17);
  const int truncate_error = errno;
  setrlimit(RLIMIT_FSIZE, &old_limit);
  signal(SIGXFSZ, old_handler);
  EXPECT_EQ(4, first);
  EXPECT_EQ(-1, second);
  EXPECT_EQ(EFBIG, error);
  EXPECT_EQ(-1, truncated);
  EXPECT_EQ(EFBIG, truncate_error);
}

TEST_F(ReadWrite, LargeTransfer) {
  const std::string data = pattern(1 << 20);
  EXPECT_EQ(static_cast<ssize_t>(data.size()), pwrite(fd, data.data(), data.size(), 3));
  std::string back(data.size(), '\0');
  EXPECT_EQ(static_cast<ssize_t>(data.size()), pread(fd, back.data(), back.size(), 3));
  EXPECT_TRUE(data == back);
}

TEST_F(ReadWrite, WritingFromAMappingOfTheSameFile) {
  ASSERT_OK(ftruncate(fd, 0));
  ASSERT_TRUE(write_all(fd, pattern(kPage)));
  void* map = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_NE(MAP_FAILED, map);
  EXPECT_EQ(static_cast<ssize_t>(kPage), pwrite(fd, map, kPage, kPage));
  EXPECT_EQ(pattern(kPage) + pattern(kPage), read_fd(fd));
  munmap(map, kPage);
}

}  // namespace
}  // namespace compat
