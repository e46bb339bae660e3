// What a mapping shows, and who may change it: remap_file_pages(2), shared mappings of what was
// opened for reading, the order of mmap(2)'s checks, process_madvise(2).
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "compat_tests/common/threads.h"
#include "compat_tests/memory/mapping.h"

namespace compat {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

class RemapFilePages : public testing::Test {
 protected:
  RemapFilePages() {
    std::string content;
    for (char c = 'a'; c < 'e'; ++c) content += std::string(kPage, c);
    write_file(dir_ / "file", content);
    fd_.reset(open((dir_ / "file").c_str(), O_RDWR));
  }
  TempDir dir_;
  Fd fd_;
};

TEST_F(RemapFilePages, ShowsAnotherPart) {
  const Mapping map(fd_, 4, kReadWrite, MAP_SHARED);
  ASSERT_OK(remap_file_pages(map.page(0), kPage, 0, 2, 0));
  EXPECT_EQ('c', *map.page(0));
  EXPECT_EQ('b', *map.page(1));
  *map.page(0) = 'C';
  EXPECT_EQ('C', *map.page(2)) << "the same page of the file";
}

TEST_F(RemapFilePages, OverWhatWasRemappedBefore) {
  const Mapping map(fd_, 4, kReadWrite, MAP_SHARED);
  ASSERT_OK(remap_file_pages(map.page(1), kPage, 0, 3, 0));
  ASSERT_OK(remap_file_pages(map.page(0), 2 * kPage, 0, 2, 0));
  EXPECT_EQ('c', *map.page(0));
  EXPECT_EQ('d', *map.page(1));
}

TEST_F(RemapFilePages, Errors) {
  const Mapping map(fd_, 2, kReadWrite, MAP_SHARED), own(fd_, 1, kReadWrite, MAP_PRIVATE);
  EXPECT_ERRNO(EINVAL, remap_file_pages(map.data(), kPage, PROT_READ, 0, 0));
  EXPECT_ERRNO(EINVAL, remap_file_pages(map.data(), 0, 0, 0, 0));
  EXPECT_ERRNO(EINVAL, remap_file_pages(own.data(), kPage, 0, 1, 0)) << "not shared";
  munmap(map.page(1), kPage);
  EXPECT_ERRNO(EINVAL, remap_file_pages(map.data(), 2 * kPage, 0, 0, 0)) << "not mapped to its end";
}

TEST(SharedReadOnly, CannotBeMadeWritable) {
  const Fd fd(open("/dev/zero", O_RDONLY));
  const Mapping map(fd, 1, PROT_READ, MAP_SHARED);
  EXPECT_ERRNO(EACCES, mprotect(map.data(), kPage, kReadWrite));
}

TEST(MapErrors, TheDescriptorIsLookedAtFirst) {
  EXPECT_EQ(MAP_FAILED, mmap(nullptr, 0, PROT_READ, MAP_PRIVATE, -1, 0));
  EXPECT_EQ(EBADF, errno);
  EXPECT_EQ(MAP_FAILED, mmap(nullptr, kPage, PROT_READ, 0, -1, 0));
  EXPECT_EQ(EBADF, errno);
}

TEST(LockedMemory, RootIsNotBoundByItsLimit) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  rlimit before = {};
  ASSERT_OK(getrlimit(RLIMIT_MEMLOCK, &before));
  const rlimit one_page = {kPage, before.rlim_max};
  ASSERT_OK(setrlimit(RLIMIT_MEMLOCK, &one_page));
  const Mapping map(4);
  EXPECT_OK(mlock(map.data(), map.size()));
  EXPECT_OK(munlock(map.data(), map.size()));
  in_thread([&] {
    // The mask of capabilities is a thread's own: without CAP_IPC_LOCK the limit binds.
    ASSERT_OK(syscall(SYS_setresuid, -1, 12345, -1));
    EXPECT_ERRNO(ENOMEM, mlock(map.data(), map.size()));
    ASSERT_OK(syscall(SYS_setresuid, -1, 0, -1));
  });
  EXPECT_OK(setrlimit(RLIMIT_MEMLOCK, &before));
}

class ProcessAdvice : public testing::Test {
 protected:
  ProcessAdvice() : pidfd_(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0))) {}
  long advise(const iovec* pieces, size_t count, int advice, unsigned flags = 0) {
    return syscall(SYS_process_madvise, int(pidfd_), pieces, count, advice, flags);
  }
  Fd pidfd_;
  Mapping map_{3};
  const iovec pieces_[2] = {{map_.page(0), kPage}, {map_.page(2), kPage}};
};

TEST_F(ProcessAdvice, CountsBytes) {
  const long advised = advise(pieces_, 2, MADV_COLD);
  if (advised < 0 && errno == EPERM) GTEST_SKIP() << "needs CAP_SYS_NICE";
  EXPECT_EQ(long(2 * kPage), advised);
}

TEST_F(ProcessAdvice, EndsAtAHole) {
  munmap(map_.page(2), kPage);
  if (geteuid() != 0) GTEST_SKIP() << "needs CAP_SYS_NICE";
  EXPECT_EQ(long(kPage), advise(pieces_, 2, MADV_COLD));
  EXPECT_ERRNO(ENOMEM, advise(pieces_ + 1, 1, MADV_COLD));
}

TEST_F(ProcessAdvice, Errors) {
  EXPECT_ERRNO(EINVAL, advise(pieces_, 2, MADV_COLD, 1));
  EXPECT_ERRNO(EINVAL, advise(pieces_, 2000, MADV_COLD));
  EXPECT_ERRNO(EBADF, syscall(SYS_process_madvise, -1, pieces_, 2, MADV_COLD, 0));
  EXPECT_ERRNO(EBADF, syscall(SYS_process_madvise, 0, pieces_, 2, MADV_COLD, 0));
}

}  // namespace
}  // namespace compat
