// sendfile(2), splice(2), tee(2), vmsplice(2): data between descriptors without a buffer of the
// program's.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include <limits>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

class Transfer : public testing::Test {
 protected:
  Transfer() {
    write_file(dir / "source", "0123456789");
    source.reset(open((dir / "source").c_str(), O_RDWR));
    target.reset(open((dir / "target").c_str(), O_RDWR | O_CREAT, 0644));
    int ends[2];
    EXPECT_OK(pipe2(ends, O_NONBLOCK));
    reader.reset(ends[0]);
    writer.reset(ends[1]);
  }

  TempDir dir;
  Fd source, target, reader, writer;
};

TEST_F(Transfer, SendfileMovesBothPositions) {
  ASSERT_OK(lseek(source, 2, SEEK_SET));
  EXPECT_EQ(4, sendfile(target, source, nullptr, 4));
  EXPECT_EQ(6, position(source));
  EXPECT_EQ(4, position(target));
  EXPECT_EQ("2345", read_fd(target));
  EXPECT_EQ(4, sendfile(target, source, nullptr, 100));
  EXPECT_EQ(0, sendfile(target, source, nullptr, 100));
  EXPECT_EQ("23456789", read_fd(target));
}

TEST_F(Transfer, SendfileFromAnOffset) {
  off_t offset = 7;
  EXPECT_EQ(3, sendfile(target, source, &offset, 100));
  EXPECT_EQ(10, offset);
  EXPECT_EQ(0, position(source));
  EXPECT_EQ("789", read_fd(target));
}

TEST_F(Transfer, SendfileIntoASocket) {
  int ends[2];
  ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  Fd one(ends[0]), two(ends[1]);
  EXPECT_EQ(10, sendfile(one, source, nullptr, 10));
  EXPECT_EQ("0123456789", read_exactly(two, 10));
}

TEST_F(Transfer, SendfileIntoAPipe) {
  EXPECT_EQ(10, sendfile(writer, source, nullptr, 100));
  EXPECT_EQ("0123456789", read_exactly(reader, 10));
}

TEST_F(Transfer, SendfileErrors) {
  off_t negative = -1;
  EXPECT_ERRNO(EBADF, sendfile(-1, source, nullptr, 1));
  EXPECT_ERRNO(EBADF, sendfile(target, -1, nullptr, 1));
  EXPECT_ERRNO(EINVAL, sendfile(target, source, &negative, 1));
  EXPECT_ERRNO(EFAULT, sendfile(target, source, bad_pointer<off_t>(), 1));
  Fd read_only(open((dir / "source").c_str(), O_RDONLY));
  EXPECT_ERRNO(EBADF, sendfile(read_only, source, nullptr, 1));
  Fd append(open((dir / "target").c_str(), O_WRONLY | O_APPEND));
  EXPECT_ERRNO(EINVAL, sendfile(append, source, nullptr, 1));
  off_t offset = 0;
  EXPECT_ERRNO(ESPIPE, sendfile(target, reader, &offset, 1));
}

TEST_F(Transfer, SpliceFromAFileIntoAPipe) {
  loff_t offset = 3;
  EXPECT_EQ(4, splice(source, &offset, writer, nullptr, 4, 0));
  EXPECT_EQ(7, offset);
  EXPECT_EQ(0, position(source));
  EXPECT_EQ("3456", read_exactly(reader, 4));
  EXPECT_EQ(10, splice(source, nullptr, writer, nullptr, 100, 0));
  EXPECT_EQ(0, splice(source, nullptr, writer, nullptr, 100, 0));
}

TEST_F(Transfer, SpliceFromAPipeIntoAFile) {
  ASSERT_EQ(6, write(writer, "abcdef", 6));
  loff_t offset = 2;
  EXPECT_EQ(4, splice(reader, nullptr, source, &offset, 4, 0));
  EXPECT_EQ(6, offset);
  EXPECT_EQ("01abcd6789", read_fd(source));
  EXPECT_EQ("ef", read_exactly(reader, 2));
}

TEST_F(Transfer, SpliceBetweenPipes) {
  int ends[2];
  ASSERT_OK(pipe2(ends, O_NONBLOCK));
  Fd other_reader(ends[0]), other_writer(ends[1]);
  ASSERT_EQ(6, write(writer, "abcdef", 6));
  EXPECT_EQ(4, splice(reader, nullptr, other_writer, nullptr, 4, 0));
  EXPECT_EQ("abcd", read_exactly(other_reader, 4));
  EXPECT_EQ("ef", read_exactly(reader, 2));
}

TEST_F(Transfer, SpliceFromAnEmptyPipe) {
  EXPECT_ERRNO(EAGAIN, splice(reader, nullptr, target, nullptr, 4, SPLICE_F_NONBLOCK));
  writer.reset();
  EXPECT_EQ(0, splice(reader, nullptr, target, nullptr, 4, 0));
}

TEST_F(Transfer, SpliceErrors) {
  loff_t offset = 0;
  EXPECT_ERRNO(EINVAL, splice(source, nullptr, target, nullptr, 4, 0));
  EXPECT_ERRNO(ESPIPE, splice(reader, &offset, target, nullptr, 4, 0));
  EXPECT_ERRNO(ESPIPE, splice(source, nullptr, writer, &offset, 4, 0));
  EXPECT_ERRNO(EBADF, splice(-1, nullptr, writer, nullptr, 4, 0));
  EXPECT_ERRNO(EBADF, splice(source, nullptr, reader, nullptr, 4, 0));
  EXPECT_ERRNO(EINVAL, splice(reader, nullptr, writer, nullptr, 4, 0));
  EXPECT_ERRNO(EINVAL, splice(source, nullptr, writer, nullptr, 4, 1u << 20));
  EXPECT_EQ(0, splice(source, nullptr, writer, nullptr, 0, 0));
}

TEST_F(Transfer, TeeCopiesWithoutConsuming) {
  int ends[2];
  ASSERT_OK(pipe2(ends, O_NONBLOCK));
  Fd other_reader(ends[0]), other_writer(ends[1]);
  EXPECT_ERRNO(EAGAIN, tee(reader, other_writer, 100, SPLICE_F_NONBLOCK));
  ASSERT_EQ(6, write(writer, "abcdef", 6));
  EXPECT_EQ(4, tee(reader, other_writer, 4, 0));
  EXPECT_EQ("abcd", read_exactly(other_reader, 4));
  EXPECT_EQ("abcdef", read_exactly(reader, 6));
  EXPECT_ERRNO(EINVAL, tee(source, other_writer, 4, 0));
}

TEST_F(Transfer, VmspliceIntoAPipe) {
  char first[] = "abc", second[] = "def";
  const iovec parts[] = {{first, 3}, {second, 3}};
  EXPECT_EQ(6, vmsplice(writer, parts, 2, 0));
  EXPECT_EQ("abcdef", read_exactly(reader, 6));
  EXPECT_ERRNO(EBADF, vmsplice(source, parts, 2, 0));
}

// What can't take part is refused before anybody waits for the empty pipe.
TEST_F(Transfer, NoStreamsOfBytes) {
  Fd epoll(epoll_create1(0)), counter(eventfd(0, 0)), timer(timerfd_create(CLOCK_MONOTONIC, 0));
  for (const int fd : {int(epoll), int(counter), int(timer)}) {
    EXPECT_TRUE(splice(reader, nullptr, fd, nullptr, 1, 0) == -1 &&
                (errno == EINVAL || errno == EBADF));
    EXPECT_TRUE(splice(fd, nullptr, writer, nullptr, 1, 0) == -1 &&
                (errno == EINVAL || errno == EBADF));
  }
  TempDir dir;
  Fd directory(open((dir / ".").c_str(), O_RDONLY | O_DIRECTORY));
  EXPECT_ERRNO(EINVAL, splice(directory, nullptr, writer, nullptr, 1, 0));
  EXPECT_ERRNO(EINVAL, sendfile(target, directory, nullptr, 1));
}

TEST_F(Transfer, CopyBehindTheLargestFile) {
  const TempDir dir;
  write_file(dir / "from", std::string(70'000, 'x'));
  Fd from(open((dir / "from").c_str(), O_RDONLY));
  Fd to(open((dir / "to").c_str(), O_RDWR | O_CREAT, 0600));
  off_t place = std::numeric_limits<off_t>::max();
  EXPECT_ERRNO(EFBIG, copy_file_range(from, nullptr, to, &place, 65'537, 0));
  EXPECT_ERRNO(EOVERFLOW, copy_file_range(from, nullptr, to, &place, ~size_t{0}, 0));
  EXPECT_EQ(0, position(from));
}

TEST_F(Transfer, SpliceIntoASetting) {
  const std::string name = "/proc/sys/fs/pipe-max-size";
  const std::string before = read_file(name);
  Fd setting(open(name.c_str(), O_WRONLY));
  if (setting < 0) GTEST_SKIP() << "no right to change it";
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd from(ends[0]), to(ends[1]);
  ASSERT_EQ(4, write(to, "5000", 4));
  EXPECT_EQ(4, splice(from, nullptr, setting, nullptr, 64, 0));
  EXPECT_EQ("8192\n", read_file(name)) << "rounded up to a power of two";
  write_file(name, "1");
  EXPECT_EQ("4096\n", read_file(name));
  in_thread([] {
    int small[2];
    ASSERT_OK(syscall(SYS_setresuid, 4711, 4711, 4711));
    ASSERT_OK(pipe(small));
    EXPECT_EQ(4096, fcntl(small[0], F_GETPIPE_SZ)) << "without privileges";
    close(small[0]);
    close(small[1]);
  });
  write_file(name, before);
  EXPECT_EQ(before, read_file(name));
}

TEST_F(Transfer, LargeSendfile) {
  const std::string data = pattern(1 << 20);
  ASSERT_EQ(static_cast<ssize_t>(data.size()), pwrite(source, data.data(), data.size(), 0));
  size_t sent = 0;
  while (sent < data.size()) {
    const ssize_t count = sendfile(target, source, nullptr, data.size() - sent);
    ASSERT_GT(count, 0);
    sent += static_cast<size_t>(count);
  }
  EXPECT_TRUE(data == read_fd(target));
}

}  // namespace
}  // namespace compat
