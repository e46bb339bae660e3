// Mapped files: sharing, copying on write, the end of the file, memfd_create(2), msync(2).
#include <signal.h>
#include <sys/stat.h>

#include "compat_tests/common/fault.h"
#include "compat_tests/memory/mapping.h"

namespace compat {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

class FileMapping : public testing::Test {
 protected:
  FileMapping() {
    write_file(dir / "file", pattern(3 * kPage));
    fd.reset(open((dir / "file").c_str(), O_RDWR));
  }

  TempDir dir;
  Fd fd;
};

uintptr_t number(const void* address) {
  return reinterpret_cast<uintptr_t>(address);
}

TEST_F(FileMapping, ShowsTheFile) {
  Mapping map(fd, 3, PROT_READ, MAP_PRIVATE);
  EXPECT_EQ(pattern(3 * kPage), std::string(map.data(), 3 * kPage));
}

TEST_F(FileMapping, FromAnOffset) {
  Mapping map(fd, 1, PROT_READ, MAP_SHARED, 2 * kPage);
  EXPECT_EQ(pattern(3 * kPage).substr(2 * kPage), std::string(map.data(), kPage));
}

TEST_F(FileMapping, SharedWritesReachTheFile) {
  Mapping map(fd, 3, kReadWrite, MAP_SHARED);
  memcpy(map.data() + kPage - 2, "word", 4);
  EXPECT_EQ("word", read_fd(fd).substr(kPage - 2, 4));
}

TEST_F(FileMapping, FileWritesReachTheMapping) {
  Mapping map(fd, 3, PROT_READ, MAP_SHARED);
  ASSERT_EQ(4, pwrite(fd, "word", 4, kPage - 2));
  EXPECT_EQ("word", std::string(map.data() + kPage - 2, 4));
}

TEST_F(FileMapping, TwoMappingsOfOnePage) {
  Mapping one(fd, 1, kReadWrite, MAP_SHARED), two(fd, 1, kReadWrite, MAP_SHARED);
  one[10] = 'x';
  EXPECT_EQ('x', two[10]);
}

TEST_F(FileMapping, PrivateWritesStayPrivate) {
  Mapping map(fd, 3, kReadWrite, MAP_PRIVATE);
  Mapping other(fd, 3, PROT_READ, MAP_SHARED);
  map[100] = '!';
  EXPECT_EQ('!', map[100]);
  EXPECT_EQ(pattern(3 * kPage), read_fd(fd));
  EXPECT_EQ(pattern(101)[100], other[100]);
}

TEST_F(FileMapping, WrittenPrivatePageNoLongerFollowsTheFile) {
  Mapping map(fd, 1, kReadWrite, MAP_PRIVATE);
  map[0] = '!';
  ASSERT_EQ(2, pwrite(fd, "ab", 2, 0));
  EXPECT_EQ('!', map[0]);
  EXPECT_EQ(pattern(2)[1], map[1]);
}

TEST_F(FileMapping, WritableEvenThoughTheFileIsNot) {
  Fd reader(open((dir / "file").c_str(), O_RDONLY));
  Mapping map(reader, 1, kReadWrite, MAP_PRIVATE);
  map[0] = '!';
  EXPECT_EQ('!', map[0]);
}

TEST_F(FileMapping, RightsOfTheDescriptor) {
  Fd reader(open((dir / "file").c_str(), O_RDONLY)), writer(open((dir / "file").c_str(), O_WRONLY));
  EXPECT_ERRNO(EACCES, mmap(nullptr, kPage, kReadWrite, MAP_SHARED, reader, 0));
  EXPECT_ERRNO(EACCES, mmap(nullptr, kPage, PROT_WRITE, MAP_SHARED, writer, 0));
  EXPECT_ERRNO(EACCES, mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, writer, 0));
  Mapping map(reader, 1, PROT_READ, MAP_SHARED);
  EXPECT_ERRNO(EACCES, mprotect(map.data(), kPage, kReadWrite));
}

TEST_F(FileMapping, Errors) {
  EXPECT_ERRNO(EBADF, mmap(nullptr, kPage, PROT_READ, MAP_SHARED, -1, 0));
  EXPECT_ERRNO(EINVAL, mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, 100));
  EXPECT_ERRNO(EOVERFLOW, mmap(nullptr, 2 * kPage, PROT_READ, MAP_SHARED, fd,
                               static_cast<off_t>(~0ull << 12)));
  EXPECT_ERRNO(EOPNOTSUPP, mmap(nullptr, kPage, PROT_READ, MAP_SHARED_VALIDATE | 0x2000000, fd, 0));
  Fd directory(open(dir.path().c_str(), O_RDONLY));
  EXPECT_ERRNO(ENODEV, mmap(nullptr, kPage, PROT_READ, MAP_SHARED, directory, 0));
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd pipe_reader(ends[0]), pipe_writer(ends[1]);
  EXPECT_ERRNO(ENODEV, mmap(nullptr, kPage, PROT_READ, MAP_SHARED, pipe_reader, 0));
  Fd path(open((dir / "file").c_str(), O_PATH));
  EXPECT_ERRNO(EBADF, mmap(nullptr, kPage, PROT_READ, MAP_SHARED, path, 0));
}

TEST_F(FileMapping, OutlivesDescriptorAndName) {
  Mapping map(fd, 3, kReadWrite, MAP_SHARED);
  fd.reset();
  ASSERT_OK(unlink((dir / "file").c_str()));
  EXPECT_EQ(pattern(3 * kPage), std::string(map.data(), 3 * kPage));
  map[0] = '!';
  EXPECT_EQ('!', map[0]);
}

TEST_F(FileMapping, LastPageIsFilledWithZeros) {
  ASSERT_OK(ftruncate(fd, kPage + 100));
  Mapping map(fd, 2, kReadWrite, MAP_SHARED);
  for (size_t i = kPage + 100; i < 2 * kPage; ++i) ASSERT_EQ(0, map[i]) << i;
  // What is written there never becomes part of the file.
  map[kPage + 200] = 'x';
  EXPECT_EQ(pattern(kPage + 100), read_fd(fd));
}

TEST_F(FileMapping, BeyondTheLastPage) {
  ASSERT_OK(ftruncate(fd, kPage + 100));
  Mapping map(fd, 4, PROT_READ, MAP_SHARED);
  EXPECT_TRUE(can_read(map.page(1) + 4095));
  const Fault fault = fault_of_read(map.page(2) + 5);
  EXPECT_EQ(SIGBUS, fault.signal);
  EXPECT_EQ(BUS_ADRERR, fault.code);
  EXPECT_EQ(number(map.page(2) + 5), fault.address);
}

TEST_F(FileMapping, PrivateBeyondTheLastPage) {
  Mapping map(fd, 4, kReadWrite, MAP_PRIVATE);
  EXPECT_EQ(SIGBUS, fault_of_write(map.page(3)).signal);
}

TEST_F(FileMapping, TruncatingTakesPagesAway) {
  Mapping map(fd, 3, kReadWrite, MAP_SHARED);
  *map.page(2) = 'x';
  ASSERT_OK(ftruncate(fd, kPage));
  EXPECT_TRUE(can_read(map.page(0)));
  EXPECT_EQ(SIGBUS, fault_of_read(map.page(1)).signal);
  EXPECT_EQ(SIGBUS, fault_of_write(map.page(2)).signal);
  ASSERT_OK(ftruncate(fd, 3 * kPage));
  EXPECT_TRUE(can_read(map.page(2)));
  EXPECT_EQ(0, *map.page(2));
}

TEST_F(FileMapping, TruncatingTakesPrivateCopiesToo) {
  Mapping map(fd, 3, kReadWrite, MAP_PRIVATE);
  *map.page(2) = 'x';
  ASSERT_OK(ftruncate(fd, kPage));
  EXPECT_EQ(SIGBUS, fault_of_read(map.page(2)).signal);
}

TEST_F(FileMapping, GrowingAddsPages) {
  Mapping map(fd, 4, PROT_READ, MAP_SHARED);
  EXPECT_EQ(SIGBUS, fault_of_read(map.page(3)).signal);
  ASSERT_EQ(1, pwrite(fd, "x", 1, 3 * kPage + 7));
  EXPECT_EQ('x', map.page(3)[7]);
}

TEST_F(FileMapping, PunchedHoleIsSeen) {
  Mapping map(fd, 3, PROT_READ, MAP_SHARED);
  EXPECT_EQ(pattern(kPage + 1)[kPage], map[kPage]);
  ASSERT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kPage, kPage));
  EXPECT_EQ(0, map[kPage]);
}

TEST_F(FileMapping, Synchronise) {
  Mapping map(fd, 3, kReadWrite, MAP_SHARED);
  map[0] = '!';
  EXPECT_OK(msync(map.data(), map.size(), MS_SYNC));
  EXPECT_OK(msync(map.data(), map.size(), MS_ASYNC));
  EXPECT_OK(msync(map.data(), map.size(), MS_SYNC | MS_INVALIDATE));
  EXPECT_OK(msync(map.data(), 0, MS_SYNC));
  EXPECT_ERRNO(EINVAL, msync(map.data(), map.size(), MS_SYNC | MS_ASYNC));
  EXPECT_ERRNO(EINVAL, msync(map.data(), map.size(), 64));
  EXPECT_ERRNO(EINVAL, msync(map.data() + 1, kPage, MS_SYNC));
  ASSERT_OK(munmap(map.page(1), kPage));
  EXPECT_ERRNO(ENOMEM, msync(map.data(), map.size(), MS_SYNC));
}

TEST_F(FileMapping, SystemCallsUseMappedMemory) {
  // A buffer that is a mapping of the file that is read, and one that must first be copied.
  Mapping shared(fd, 3, kReadWrite, MAP_SHARED);
  EXPECT_EQ(100, pread(fd, shared.data() + 2 * kPage, 100, 0));
  EXPECT_EQ(pattern(100), read_fd(fd).substr(2 * kPage, 100));
  Mapping copied(fd, 3, kReadWrite, MAP_PRIVATE);
  EXPECT_EQ(100, pread(fd, copied.data() + kPage, 100, 0));
  EXPECT_EQ(pattern(100), std::string(copied.data() + kPage, 100));
  EXPECT_EQ(pattern(kPage + 100).substr(kPage), read_fd(fd).substr(kPage, 100));
}

TEST_F(FileMapping, ReadIntoAReadOnlyMapping) {
  Mapping map(fd, 1, PROT_READ, MAP_PRIVATE);
  EXPECT_ERRNO(EFAULT, pread(fd, map.data(), 10, 0));
}

TEST_F(FileMapping, BufferBeyondTheEndOfItsFile) {
  Mapping map(fd, 4, kReadWrite, MAP_SHARED);
  Fd zero(open("/dev/zero", O_RDONLY));
  // A system call reports what would have been SIGBUS as EFAULT.
  EXPECT_ERRNO(EFAULT, read(zero, map.page(3), 10));
}

TEST(MemoryFile, IsAnUnnamedFile) {
  Fd fd(memfd_create("compat", MFD_CLOEXEC));
  ASSERT_OK(fd);
  EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
  EXPECT_EQ(5, write(fd, "hello", 5));
  EXPECT_EQ("hello", read_fd(fd));
  struct stat info;
  ASSERT_OK(fstat(fd, &info));
  EXPECT_TRUE(S_ISREG(info.st_mode));
  EXPECT_EQ(0u, info.st_nlink);
  char name[64] = {};
  ASSERT_OK(readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), name, sizeof name - 1));
  EXPECT_STREQ("/memfd:compat (deleted)", name);
}

TEST(MemoryFile, SharedMappings) {
  Fd fd(memfd_create("compat", 0));
  ASSERT_OK(ftruncate(fd, 2 * kPage));
  Mapping one(fd, 2, kReadWrite, MAP_SHARED), two(fd, 2, PROT_READ, MAP_SHARED);
  one[kPage + 5] = 'x';
  EXPECT_EQ('x', two[kPage + 5]);
}

TEST(MemoryFile, Errors) {
  EXPECT_ERRNO(EINVAL, memfd_create("x", 0x8000));
  EXPECT_ERRNO(EINVAL, memfd_create(std::string(250, 'x').c_str(), 0));
  EXPECT_OK(Fd(memfd_create(std::string(249, 'x').c_str(), 0)));
  EXPECT_ERRNO(EFAULT, memfd_create(bad_pointer<char>(), 0));
}

}  // namespace
}  // namespace compat
