// truncate(2), fallocate(2), fsync(2) and their relatives; what a file occupies.
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

class Size : public testing::Test {
 protected:
  Size() {
    write_file(dir / "file", "0123456789");
    fd.reset(open((dir / "file").c_str(), O_RDWR));
  }

  off_t size() {
    struct stat info = {};
    EXPECT_OK(fstat(fd, &info));
    return info.st_size;
  }
  blkcnt_t blocks() {
    struct stat info = {};
    EXPECT_OK(fstat(fd, &info));
    return info.st_blocks;
  }

  TempDir dir;
  Fd fd;
};

TEST_F(Size, TruncateShrinksAndGrows) {
  ASSERT_OK(ftruncate(fd, 4));
  EXPECT_EQ("0123", read_fd(fd));
  ASSERT_OK(ftruncate(fd, 8));
  EXPECT_EQ(std::string("0123\0\0\0\0", 8), read_fd(fd));
  ASSERT_OK(truncate((dir / "file").c_str(), 2));
  EXPECT_EQ("01", read_fd(fd));
}

TEST_F(Size, TruncateLeavesThePosition) {
  ASSERT_OK(lseek(fd, 8, SEEK_SET));
  ASSERT_OK(ftruncate(fd, 2));
  EXPECT_EQ(8, position(fd));
}

TEST_F(Size, WhatWasCutOffDoesNotComeBack) {
  ASSERT_EQ(static_cast<ssize_t>(3 * kPage), pwrite(fd, pattern(3 * kPage).data(), 3 * kPage, 0));
  ASSERT_OK(ftruncate(fd, kPage + 100));
  ASSERT_OK(ftruncate(fd, 3 * kPage));
  EXPECT_EQ(pattern(kPage + 100) + std::string(2 * kPage - 100, '\0'), read_fd(fd));
}

TEST_F(Size, TruncateErrors) {
  EXPECT_ERRNO(EINVAL, ftruncate(fd, -1));
  EXPECT_ERRNO(EINVAL, truncate((dir / "file").c_str(), -1));
  EXPECT_ERRNO(ENOENT, truncate((dir / "nothing").c_str(), 0));
  EXPECT_ERRNO(EISDIR, truncate(dir.path().c_str(), 0));
  EXPECT_ERRNO(EFAULT, truncate(bad_pointer<char>(), 0));
  EXPECT_ERRNO(EBADF, ftruncate(-1, 0));
  Fd reader(open((dir / "file").c_str(), O_RDONLY));
  EXPECT_ERRNO(EINVAL, ftruncate(reader, 0));
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd pipe_reader(ends[0]), pipe_writer(ends[1]);
  EXPECT_ERRNO(EINVAL, ftruncate(pipe_writer, 0));
}

TEST_F(Size, SparseFileOccupiesLittle) {
  ASSERT_OK(ftruncate(fd, 64 << 20));
  EXPECT_EQ(64 << 20, size());
  EXPECT_LT(blocks() * 512, 1 << 20);
  char byte = 'x';
  EXPECT_EQ(1, pread(fd, &byte, 1, 33 << 20));
  EXPECT_EQ('\0', byte);
}

TEST_F(Size, WrittenFileOccupiesItsBlocks) {
  ASSERT_TRUE(write_all(fd, pattern(64 << 10)));
  ASSERT_OK(fsync(fd));
  EXPECT_GE(blocks() * 512, 64 << 10);
}

TEST_F(Size, AllocateGrows) {
  ASSERT_OK(fallocate(fd, 0, 0, 100000));
  EXPECT_EQ(100000, size());
  EXPECT_GE(blocks() * 512, 100000 / 4096 * 4096);
  EXPECT_EQ("0123456789" + std::string(99990, '\0'), read_fd(fd));
}

TEST_F(Size, AllocateNeverShrinks) {
  ASSERT_OK(fallocate(fd, 0, 0, 4));
  EXPECT_EQ("0123456789", read_fd(fd));
}

TEST_F(Size, AllocateWithoutGrowing) {
  ASSERT_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
  EXPECT_EQ(10, size());
  EXPECT_GE(blocks() * 512, 100000 / 4096 * 4096);
}

TEST_F(Size, PunchedHoleReadsAsZeros) {
  ASSERT_EQ(static_cast<ssize_t>(4 * kPage), pwrite(fd, pattern(4 * kPage).data(), 4 * kPage, 0));
  ASSERT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 2 * kPage));
  std::string expected = pattern(4 * kPage);
  expected.replace(1000, 2 * kPage, 2 * kPage, '\0');
  EXPECT_EQ(expected, read_fd(fd));
}

TEST_F(Size, PunchedHoleGivesBlocksBack) {
  ASSERT_TRUE(write_all(fd, pattern(256 << 10)));
  ASSERT_OK(fsync(fd));
  const blkcnt_t before = blocks();
  ASSERT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 64 << 10, 128 << 10));
  EXPECT_LE(blocks() * 512, before * 512 - (128 << 10));
  EXPECT_EQ(256 << 10, size());
}

TEST_F(Size, AllocateErrors) {
  EXPECT_ERRNO(EINVAL, fallocate(fd, 0, 0, 0));
  EXPECT_ERRNO(EINVAL, fallocate(fd, 0, -1, 10));
  EXPECT_ERRNO(EINVAL, fallocate(fd, 0, 0, -1));
  EXPECT_ERRNO(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
  EXPECT_ERRNO(EOPNOTSUPP, fallocate(fd, 1 << 20, 0, 10));
  EXPECT_ERRNO(EBADF, fallocate(-1, 0, 0, 10));
  Fd reader(open((dir / "file").c_str(), O_RDONLY));
  EXPECT_ERRNO(EBADF, fallocate(reader, 0, 0, 10));
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd pipe_reader(ends[0]), pipe_writer(ends[1]);
  EXPECT_ERRNO(ESPIPE, fallocate(pipe_writer, 0, 0, 10));
}

TEST_F(Size, PosixFallocateReturnsItsError) {
  EXPECT_EQ(0, posix_fallocate(fd, 10, 90));
  EXPECT_EQ(100, size());
  EXPECT_EQ(EINVAL, posix_fallocate(fd, 0, 0));
  EXPECT_EQ(EBADF, posix_fallocate(-1, 0, 10));
}

TEST_F(Size, Synchronising) {
  EXPECT_OK(fsync(fd));
  EXPECT_OK(fdatasync(fd));
  EXPECT_OK(syncfs(fd));
  EXPECT_OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
  EXPECT_ERRNO(EBADF, fsync(-1));
  EXPECT_ERRNO(EINVAL, sync_file_range(fd, 0, 0, 1 << 20));
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd reader(ends[0]), writer(ends[1]);
  EXPECT_ERRNO(EINVAL, fsync(reader));
  Fd directory(open(dir.path().c_str(), O_RDONLY));
  EXPECT_OK(fsync(directory));
}

TEST_F(Size, Advice) {
  EXPECT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
  EXPECT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED));
  EXPECT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
  EXPECT_EQ("0123456789", read_fd(fd));
  EXPECT_EQ(EINVAL, posix_fadvise(fd, 0, 0, 99));
  EXPECT_EQ(EBADF, posix_fadvise(-1, 0, 0, POSIX_FADV_NORMAL));
  int ends[2];
  ASSERT_OK(pipe(ends));
  Fd reader(ends[0]), writer(ends[1]);
  EXPECT_EQ(ESPIPE, posix_fadvise(reader, 0, 0, POSIX_FADV_NORMAL));
  EXPECT_OK(readahead(fd, 0, 4096));
}

TEST_F(Size, FileSystemFacts) {
  struct statfs facts, facts_by_fd;
  ASSERT_OK(statfs(dir.path().c_str(), &facts));
  ASSERT_OK(fstatfs(fd, &facts_by_fd));
  EXPECT_EQ(255, facts.f_namelen);
  EXPECT_GT(facts.f_bsize, 0);
  EXPECT_GE(facts.f_blocks, facts.f_bfree);
  EXPECT_EQ(facts.f_type, facts_by_fd.f_type);
  EXPECT_ERRNO(ENOENT, statfs((dir / "nothing").c_str(), &facts));
  EXPECT_ERRNO(EBADF, fstatfs(-1, &facts));
  EXPECT_ERRNO(EFAULT, statfs(dir.path().c_str(), bad_pointer<struct statfs>()));
}

TEST_F(Size, CopyFileRange) {
  Fd target(open((dir / "target").c_str(), O_RDWR | O_CREAT, 0644));
  loff_t from = 2, to = 5;
  ASSERT_EQ(4, copy_file_range(fd, &from, target, &to, 4, 0));
  EXPECT_EQ(6, from);
  EXPECT_EQ(9, to);
  EXPECT_EQ(0, position(fd));
  EXPECT_EQ(std::string(5, '\0') + "2345", read_fd(target));
  EXPECT_EQ(10, copy_file_range(fd, nullptr, target, nullptr, 100, 0));
  EXPECT_EQ(10, position(fd));
  EXPECT_EQ(10, position(target));
  EXPECT_EQ(0, copy_file_range(fd, nullptr, target, nullptr, 100, 0));
  EXPECT_EQ("0123456789", read_fd(target));
}

TEST_F(Size, CopyFileRangeErrors) {
  Fd target(open((dir / "target").c_str(), O_RDWR | O_CREAT, 0644));
  loff_t from = 0, to = 2;
  EXPECT_ERRNO(EINVAL, copy_file_range(fd, nullptr, target, nullptr, 4, 1));
  EXPECT_ERRNO(EINVAL, copy_file_range(fd, &from, fd, &to, 4, 0));
  EXPECT_ERRNO(EBADF, copy_file_range(-1, nullptr, target, nullptr, 4, 0));
  Fd reader(open((dir / "target").c_str(), O_RDONLY));
  EXPECT_ERRNO(EBADF, copy_file_range(fd, nullptr, reader, nullptr, 4, 0));
  Fd directory(open(dir.path().c_str(), O_RDONLY));
  EXPECT_ERRNO(EISDIR, copy_file_range(directory, nullptr, target, nullptr, 4, 0));
}

}  // namespace
}  // namespace compat
