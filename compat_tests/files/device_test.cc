// The character devices that every program expects, and FIFOs.
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <thread>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/threads.h"

namespace compat {
namespace {

TEST(Device, Null) {
  Fd fd(open("/dev/null", O_RDWR));
  ASSERT_OK(fd);
  char buffer[16];
  EXPECT_EQ(0, read(fd, buffer, sizeof buffer));
  EXPECT_EQ(5, write(fd, "12345", 5));
  EXPECT_EQ(0, lseek(fd, 100, SEEK_SET));
  EXPECT_OK(Fd(open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0666)));
  // Nothing is copied, so nothing can go wrong.
  EXPECT_EQ(5, write(fd, bad_pointer<char>(), 5));
}

TEST(Device, Zero) {
  Fd fd(open("/dev/zero", O_RDWR));
  ASSERT_OK(fd);
  std::string data = pattern(3 * kPage);
  EXPECT_EQ(static_cast<ssize_t>(data.size()), read(fd, data.data(), data.size()));
  EXPECT_EQ(std::string(data.size(), '\0'), data);
  EXPECT_EQ(5, write(fd, "12345", 5));
  EXPECT_ERRNO(EFAULT, read(fd, bad_pointer<char>(), 5));
}

TEST(Device, ZeroCanBeMapped) {
  Fd fd(open("/dev/zero", O_RDWR));
  auto* map = static_cast<char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  ASSERT_NE(MAP_FAILED, map);
  EXPECT_EQ(0, map[100]);
  map[100] = 7;
  EXPECT_EQ(7, map[100]);
  munmap(map, kPage);
}

TEST(Device, Full) {
  Fd fd(open("/dev/full", O_RDWR));
  ASSERT_OK(fd);
  char buffer[4] = {1, 1, 1, 1};
  EXPECT_EQ(4, read(fd, buffer, 4));
  EXPECT_EQ(0, buffer[3]);
  EXPECT_ERRNO(ENOSPC, write(fd, "x", 1));
}

TEST(Device, Random) {
  for (const char* name : {"/dev/random", "/dev/urandom"}) {
    Fd fd(open(name, O_RDONLY));
    ASSERT_OK(fd);
    EXPECT_NE(read_exactly(fd, 32), read_exactly(fd, 32)) << name;
    EXPECT_EQ(2000u, read_exactly(fd, 2000).size()) << name;
  }
}

TEST(Device, GetRandom) {
  char one[64] = {}, two[64] = {};
  EXPECT_EQ(64, getrandom(one, sizeof one, 0));
  EXPECT_EQ(64, getrandom(two, sizeof two, GRND_RANDOM));
  EXPECT_NE(std::string(one, 64), std::string(two, 64));
  EXPECT_EQ(0, getrandom(one, 0, 0));
  EXPECT_ERRNO(EINVAL, getrandom(one, 1, 0x100));
  EXPECT_ERRNO(EINVAL, getrandom(one, 1, GRND_RANDOM | GRND_INSECURE));
  EXPECT_ERRNO(EFAULT, getrandom(bad_pointer<char>(), 16, 0));
}

TEST(Device, AlwaysReady) {
  for (const char* name : {"/dev/null", "/dev/zero"}) {
    Fd fd(open(name, O_RDWR));
    pollfd entry = {.fd = fd, .events = POLLIN | POLLOUT, .revents = 0};
    EXPECT_EQ(1, poll(&entry, 1, 0));
    EXPECT_EQ(POLLIN | POLLOUT, entry.revents) << name;
  }
}

TEST(Device, StandardStreamsHaveNames) {
  struct stat info, named;
  for (int fd = 0; fd < 3; ++fd) {
    if (fstat(fd, &info) != 0) continue;
    const char* names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    ASSERT_OK(stat(names[fd], &named)) << names[fd];
    EXPECT_EQ(info.st_ino, named.st_ino) << names[fd];
  }
}

TEST(Device, SharedMemoryObjects) {
  const std::string name = "/compat-" + std::to_string(getpid());
  Fd fd(shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
  ASSERT_OK(fd);
  EXPECT_ERRNO(EEXIST, shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
  ASSERT_OK(ftruncate(fd, kPage));
  Fd again(shm_open(name.c_str(), O_RDWR, 0));
  ASSERT_EQ(4, pwrite(fd, "abcd", 4, 10));
  auto* map = static_cast<char*>(mmap(nullptr, kPage, PROT_READ, MAP_SHARED, again, 0));
  ASSERT_NE(MAP_FAILED, map);
  EXPECT_EQ("abcd", std::string(map + 10, 4));
  munmap(map, kPage);
  EXPECT_OK(shm_unlink(name.c_str()));
  EXPECT_ERRNO(ENOENT, shm_open(name.c_str(), O_RDWR, 0));
}

class Fifo : public testing::Test {
 protected:
  Fifo() : path(dir / "fifo") { EXPECT_OK(mkfifo(path.c_str(), 0600)); }

  TempDir dir;
  std::string path;
};

TEST_F(Fifo, WithoutBlocking) {
  EXPECT_ERRNO(ENXIO, open(path.c_str(), O_WRONLY | O_NONBLOCK));
  Fd reader(open(path.c_str(), O_RDONLY | O_NONBLOCK));
  ASSERT_OK(reader);
  char buffer[8];
  EXPECT_EQ(0, read(reader, buffer, sizeof buffer));
  Fd writer(open(path.c_str(), O_WRONLY | O_NONBLOCK));
  ASSERT_OK(writer);
  EXPECT_ERRNO(EAGAIN, read(reader, buffer, sizeof buffer));
  EXPECT_EQ(3, write(writer, "abc", 3));
  EXPECT_EQ(3, read(reader, buffer, sizeof buffer));
}

TEST_F(Fifo, OpenWaitsForTheOtherEnd) {
  std::thread other([&] {
    Fd writer(open(path.c_str(), O_WRONLY));
    EXPECT_OK(writer);
    EXPECT_EQ(3, write(writer, "abc", 3));
  });
  Fd reader(open(path.c_str(), O_RDONLY));
  ASSERT_OK(reader);
  EXPECT_EQ("abc", read_exactly(reader, 100));
  other.join();
}

TEST_F(Fifo, BothEndsAtOnce) {
  Fd both(open(path.c_str(), O_RDWR));
  ASSERT_OK(both);
  EXPECT_EQ(3, write(both, "abc", 3));
  EXPECT_EQ("abc", read_exactly(both, 3));
  EXPECT_ERRNO(ESPIPE, lseek(both, 0, SEEK_CUR));
}

TEST_F(Fifo, EmptiesWhenItsLastEndCloses) {
  Fd both(open(path.c_str(), O_RDWR | O_NONBLOCK));
  ASSERT_EQ(3, write(both, "abc", 3));
  both.reset();
  Fd again(open(path.c_str(), O_RDWR | O_NONBLOCK));
  char byte;
  EXPECT_ERRNO(EAGAIN, read(again, &byte, 1));
}

}  // namespace
}  // namespace compat
