// Pipes in packet mode, O_DIRECT of pipe2(2); and how much splice(2) and sendfile(2) put into a
// pipe.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>

#include <utility>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

std::pair<Fd, Fd> make_pipe(int flags) {
  int fds[2] = {-1, -1};
  EXPECT_OK(pipe2(fds, flags));
  return {Fd(fds[0]), Fd(fds[1])};
}
std::string read_some(int fd, size_t size) {
  std::string text(size, '\0');
  const ssize_t got = read(fd, text.data(), size);
  return got < 0 ? error_name(errno) : text.substr(0, size_t(got));
}

TEST(Packet, EachReadGetsOneWrite) {
  auto [reader, writer] = make_pipe(O_DIRECT | O_NONBLOCK);
  ASSERT_TRUE(write_all(writer, "one"));
  ASSERT_TRUE(write_all(writer, "three"));
  EXPECT_EQ(read_some(reader, 100), "one");
  EXPECT_EQ(read_some(reader, 100), "three");
  EXPECT_EQ(read_some(reader, 100), "EAGAIN");
}

TEST(Packet, WhatDoesNotFitIsLost) {
  auto [reader, writer] = make_pipe(O_DIRECT | O_NONBLOCK);
  ASSERT_TRUE(write_all(writer, "abcdef"));
  ASSERT_TRUE(write_all(writer, "next"));
  EXPECT_EQ(read_some(reader, 2), "ab");
  EXPECT_EQ(read_some(reader, 100), "next");
}

TEST(Packet, LongWritesAreSeveralPackets) {
  auto [reader, writer] = make_pipe(O_DIRECT | O_NONBLOCK);
  ASSERT_TRUE(write_all(writer, pattern(2 * kPage + 10)));
  EXPECT_EQ(read_some(reader, 3 * kPage).size(), kPage);
  EXPECT_EQ(read_some(reader, 3 * kPage).size(), kPage);
  EXPECT_EQ(read_some(reader, 3 * kPage).size(), 10u);
}

TEST(Packet, TheModeIsAFlag) {
  auto [reader, writer] = make_pipe(O_NONBLOCK);
  EXPECT_EQ(0, fcntl(writer, F_GETFL) & O_DIRECT);
  ASSERT_OK(fcntl(writer, F_SETFL, O_DIRECT | O_NONBLOCK));
  EXPECT_EQ(O_DIRECT, fcntl(writer, F_GETFL) & O_DIRECT);
  ASSERT_TRUE(write_all(writer, "a"));
  ASSERT_TRUE(write_all(writer, "b"));
  ASSERT_OK(fcntl(writer, F_SETFL, O_NONBLOCK));
  ASSERT_TRUE(write_all(writer, "c"));
  ASSERT_TRUE(write_all(writer, "d"));
  EXPECT_EQ(read_some(reader, 100), "a");
  EXPECT_EQ(read_some(reader, 100), "b");
  EXPECT_EQ(read_some(reader, 100), "cd");
}

TEST(Packet, AsManyAsThereAreSlots) {
  auto [reader, writer] = make_pipe(O_DIRECT | O_NONBLOCK);
  ASSERT_EQ(int(4 * kPage), fcntl(writer, F_SETPIPE_SZ, 4 * kPage));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(write_all(writer, "x"));
  EXPECT_ERRNO(EAGAIN, write(writer, "x", 1));
  int ready = 0;
  EXPECT_OK(ioctl(reader, FIONREAD, &ready));
  EXPECT_EQ(ready, 4);
}

TEST(Packet, SpliceFillsThePipeAndReturns) {
  const TempDir dir;
  write_file(dir / "file", pattern(64 * kPage));
  const Fd file(open((dir / "file").c_str(), O_RDONLY));
  auto [reader, writer] = make_pipe(0);
  // Nobody reads: what fits is the result, though the pipe is blocking.
  EXPECT_EQ(ssize_t(16 * kPage), splice(file, nullptr, writer, nullptr, 64 * kPage, 0));
  EXPECT_EQ(off_t(16 * kPage), position(file));
  EXPECT_ERRNO(EAGAIN, splice(file, nullptr, writer, nullptr, kPage, SPLICE_F_NONBLOCK));
}

TEST(Packet, SpliceBetweenPipesReturnsWhenTheSecondIsFull) {
  auto [reader, writer] = make_pipe(0);
  auto [reader2, writer2] = make_pipe(0);
  ASSERT_EQ(int(2 * kPage), fcntl(writer2, F_SETPIPE_SZ, 2 * kPage));
  ASSERT_TRUE(write_all(writer, pattern(8 * kPage)));
  EXPECT_EQ(ssize_t(2 * kPage), splice(reader, nullptr, writer2, nullptr, 8 * kPage, 0));
  EXPECT_EQ(read_exactly(reader2, 2 * kPage), pattern(8 * kPage).substr(0, 2 * kPage));
}

}  // namespace
}  // namespace compat
