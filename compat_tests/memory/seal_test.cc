// Seals of files in memory, and what they do to mappings: memfd_create(2), fcntl(2).
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/fault.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

class Seals : public testing::Test {
 protected:
  Seals() {
    EXPECT_OK(ftruncate(fd_, 2 * kPage));
    EXPECT_EQ(5, pwrite(fd_, "bytes", 5, 0));
  }
  static Fd make(unsigned flags) { return memfd_create("sealed", MFD_CLOEXEC | flags); }
  int add(unsigned seals) const { return fcntl(fd_, F_ADD_SEALS, seals); }
  int get() const { return fcntl(fd_, F_GET_SEALS); }
  void* map(int protection, int flags) const {
    return mmap(nullptr, kPage, protection, flags, fd_, 0);
  }
  // The error of trying; 0: it can be done.
  int mapping_error(int protection, int flags) const {
    void* at = map(protection, flags);
    if (at == MAP_FAILED) return errno;
    munmap(at, kPage);
    return 0;
  }
  Fd read_only() const {
    return open(("/proc/self/fd/" + std::to_string(fd_)).c_str(), O_RDONLY | O_CLOEXEC);
  }

  Fd fd_ = make(MFD_ALLOW_SEALING);
};

TEST_F(Seals, AreAddedAndTold) {
  EXPECT_EQ(0, get());
  EXPECT_OK(add(F_SEAL_GROW));
  EXPECT_OK(add(F_SEAL_SHRINK));
  EXPECT_EQ(F_SEAL_GROW | F_SEAL_SHRINK, get());
  EXPECT_OK(add(F_SEAL_GROW)) << "again";
  EXPECT_ERRNO(EINVAL, add(0x100));
}

TEST_F(Seals, MustBeAllowed) {
  fd_ = make(0);
  EXPECT_EQ(F_SEAL_SEAL, get());
  EXPECT_ERRNO(EPERM, add(F_SEAL_GROW));
}

TEST_F(Seals, TheLastOne) {
  EXPECT_OK(add(F_SEAL_SEAL | F_SEAL_GROW));
  EXPECT_ERRNO(EPERM, add(F_SEAL_SHRINK));
  EXPECT_EQ(F_SEAL_SEAL | F_SEAL_GROW, get());
}

TEST_F(Seals, NeedTheRightToWrite) {
  const Fd reader = read_only();
  EXPECT_ERRNO(EPERM, fcntl(reader, F_ADD_SEALS, F_SEAL_GROW));
  EXPECT_EQ(0, fcntl(reader, F_GET_SEALS));
}

TEST_F(Seals, AreTheFilesAndNotTheDescriptors) {
  const Fd reader = read_only();
  EXPECT_OK(add(F_SEAL_WRITE));
  EXPECT_EQ(F_SEAL_WRITE, fcntl(reader, F_GET_SEALS));
  const Fd again = open(("/proc/self/fd/" + std::to_string(fd_)).c_str(), O_RDWR | O_CLOEXEC);
  EXPECT_ERRNO(EPERM, write(again, "x", 1));
}

TEST_F(Seals, OtherFilesHaveNone) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  EXPECT_ERRNO(EINVAL, fcntl(ends[1], F_GET_SEALS));
  EXPECT_ERRNO(EINVAL, fcntl(ends[1], F_ADD_SEALS, F_SEAL_SEAL));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(Seals, AgainstShrinking) {
  EXPECT_OK(add(F_SEAL_SHRINK));
  EXPECT_ERRNO(EPERM, ftruncate(fd_, kPage));
  EXPECT_OK(ftruncate(fd_, 3 * kPage));
  EXPECT_OK(ftruncate(fd_, 3 * kPage)) << "as large as it is";
  EXPECT_ERRNO(EPERM, open(("/proc/self/fd/" + std::to_string(fd_)).c_str(), O_RDWR | O_TRUNC));
}

TEST_F(Seals, AgainstGrowing) {
  EXPECT_OK(add(F_SEAL_GROW));
  EXPECT_ERRNO(EPERM, ftruncate(fd_, 3 * kPage));
  EXPECT_ERRNO(EPERM, pwrite(fd_, "x", 1, 2 * kPage));
  EXPECT_EQ(4, pwrite(fd_, "12345678", 8, 2 * kPage - 4)) << "pages are written one by one";
  EXPECT_ERRNO(EPERM, fallocate(fd_, 0, 0, 3 * kPage));
  EXPECT_ERRNO(EPERM, fallocate(fd_, FALLOC_FL_KEEP_SIZE, 0, 3 * kPage));
  EXPECT_OK(ftruncate(fd_, kPage + 100));
  EXPECT_ERRNO(EPERM, pwrite(fd_, "12345678", 8, kPage + 96)) << "each whole or not at all";
  EXPECT_EQ(4, pwrite(fd_, "1234", 4, kPage + 96));
}

TEST_F(Seals, AgainstWriting) {
  EXPECT_OK(add(F_SEAL_WRITE));
  EXPECT_ERRNO(EPERM, pwrite(fd_, "x", 1, 0));
  EXPECT_ERRNO(EPERM, fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPage));
  EXPECT_OK(ftruncate(fd_, 3 * kPage)) << "its size is another matter";
  EXPECT_EQ(EPERM, mapping_error(PROT_READ | PROT_WRITE, MAP_SHARED));
  EXPECT_EQ(EPERM, mapping_error(PROT_WRITE, MAP_SHARED));
  EXPECT_EQ(0, mapping_error(PROT_READ | PROT_WRITE, MAP_PRIVATE));
  int ends[2];
  ASSERT_OK(pipe(ends));
  EXPECT_EQ(1, write(ends[1], "x", 1));
  EXPECT_ERRNO(EPERM, splice(ends[0], nullptr, fd_, nullptr, 1, 0));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(Seals, WritableMappingsKeepItFromBeingSealed) {
  void* at = map(PROT_READ | PROT_WRITE, MAP_SHARED);
  EXPECT_ERRNO(EBUSY, add(F_SEAL_WRITE));
  EXPECT_EQ(0, get());
  EXPECT_ERRNO(EBUSY, add(F_SEAL_WRITE | F_SEAL_GROW)) << "all or none";
  EXPECT_EQ(0, get());
  // It could be made writable again.
  EXPECT_OK(mprotect(at, kPage, PROT_READ));
  EXPECT_ERRNO(EBUSY, add(F_SEAL_WRITE));
  munmap(at, kPage);
  EXPECT_OK(add(F_SEAL_WRITE));
}

TEST_F(Seals, PartsOfMappingsCount) {
  char* at =
      static_cast<char*>(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
  munmap(at, kPage);
  EXPECT_ERRNO(EBUSY, add(F_SEAL_WRITE));
  munmap(at + kPage, kPage);
  EXPECT_OK(add(F_SEAL_WRITE));
}

TEST_F(Seals, MappingsOfChildrenCount) {
  void* at = map(PROT_READ | PROT_WRITE, MAP_SHARED);
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  munmap(at, kPage);
  EXPECT_ERRNO(EBUSY, add(F_SEAL_WRITE));
  kill(child, SIGKILL);
  EXPECT_OK(waitpid(child, nullptr, 0));
  EXPECT_OK(add(F_SEAL_WRITE));
}

TEST_F(Seals, MappingsMovedElsewhereCount) {
  void* at = map(PROT_READ | PROT_WRITE, MAP_SHARED);
  void* moved = mremap(at, kPage, 2 * kPage, MREMAP_MAYMOVE);
  ASSERT_NE(MAP_FAILED, moved);
  EXPECT_ERRNO(EBUSY, add(F_SEAL_WRITE));
  munmap(moved, 2 * kPage);
  EXPECT_OK(add(F_SEAL_WRITE));
}

TEST_F(Seals, PrivateMappingsDoNotMatter) {
  char* at = static_cast<char*>(map(PROT_READ | PROT_WRITE, MAP_PRIVATE));
  EXPECT_OK(add(F_SEAL_WRITE));
  at[0] = 'B';
  EXPECT_EQ("bytes", read_fd(fd_).substr(0, 5));
  munmap(at, kPage);
}

TEST_F(Seals, MappingsOfReadersDoNotMatter) {
  const Fd reader = read_only();
  void* at = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, reader, 0);
  ASSERT_NE(MAP_FAILED, at);
  EXPECT_ERRNO(EACCES, mprotect(at, kPage, PROT_READ | PROT_WRITE));
  munmap(at, kPage);
  EXPECT_OK(add(F_SEAL_WRITE));
}

TEST_F(Seals, AgainstWritingInFuture) {
  char* before = static_cast<char*>(map(PROT_READ | PROT_WRITE, MAP_SHARED));
  EXPECT_OK(add(F_SEAL_FUTURE_WRITE)) << "where there are mappings too";
  before[0] = 'B';
  EXPECT_EQ("Bytes", read_fd(fd_).substr(0, 5));
  EXPECT_ERRNO(EPERM, pwrite(fd_, "x", 1, 0));
  EXPECT_EQ(EPERM, mapping_error(PROT_READ | PROT_WRITE, MAP_SHARED));
  EXPECT_EQ(0, mapping_error(PROT_READ | PROT_WRITE, MAP_PRIVATE));
  char* after = static_cast<char*>(map(PROT_READ, MAP_SHARED));
  ASSERT_NE(MAP_FAILED, after);
  EXPECT_EQ('B', after[0]);
  EXPECT_ERRNO(EACCES, mprotect(after, kPage, PROT_READ | PROT_WRITE));
  munmap(before, kPage);
  munmap(after, kPage);
}

TEST_F(Seals, SizesMayBeFixed) {
  EXPECT_OK(add(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
  // Nobody can take the memory away under this mapping.
  char* at = static_cast<char*>(map(PROT_READ | PROT_WRITE, MAP_SHARED));
  EXPECT_ERRNO(EPERM, ftruncate(fd_, 0));
  EXPECT_TRUE(can_write(at));
  munmap(at, kPage);
}

}  // namespace
}  // namespace compat
