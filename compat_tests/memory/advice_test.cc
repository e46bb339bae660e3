// madvise(2), mincore(2), mlock(2) and its family.
#include <sys/resource.h>
#include <sys/syscall.h>

#include "compat_tests/common/fault.h"
#include "compat_tests/common/threads.h"
#include "compat_tests/memory/mapping.h"

namespace compat {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

TEST(Advice, DontNeedEmptiesPrivateMemory) {
  Mapping map(3);
  for (size_t i = 0; i < 3; ++i) *map.page(i) = 7;
  ASSERT_OK(madvise(map.page(1), kPage, MADV_DONTNEED));
  EXPECT_EQ(7, *map.page(0));
  EXPECT_EQ(0, *map.page(1));
  EXPECT_EQ(7, *map.page(2));
}

TEST(Advice, DontNeedGoesBackToTheFile) {
  TempDir dir;
  write_file(dir / "file", "content");
  Fd fd(open((dir / "file").c_str(), O_RDONLY));
  Mapping map(fd, 1, kReadWrite, MAP_PRIVATE);
  map[0] = 'C';
  ASSERT_OK(madvise(map.data(), kPage, MADV_DONTNEED));
  EXPECT_EQ('c', map[0]);
}

TEST(Advice, DontNeedKeepsSharedMemory) {
  Mapping map(1, kReadWrite, MAP_SHARED);
  map[0] = 7;
  ASSERT_OK(madvise(map.data(), kPage, MADV_DONTNEED));
  EXPECT_EQ(7, map[0]);
}

TEST(Advice, FreedPagesTakeNewContent) {
  Mapping map(2);
  map[0] = 7;
  ASSERT_OK(madvise(map.data(), 2 * kPage, MADV_FREE));
  // Now zero or still 7; but what is written from here on stays.
  EXPECT_TRUE(map[0] == 7 || map[0] == 0);
  map[0] = 8;
  EXPECT_EQ(8, map[0]);
}

TEST(Advice, RemovePunchesAHole) {
  Fd fd(memfd_create("compat", 0));
  ASSERT_OK(ftruncate(fd, 2 * kPage));
  Mapping map(fd, 2, kReadWrite, MAP_SHARED);
  *map.page(0) = 7;
  *map.page(1) = 7;
  ASSERT_OK(madvise(map.page(1), kPage, MADV_REMOVE));
  EXPECT_EQ(7, *map.page(0));
  EXPECT_EQ(0, *map.page(1));
  Mapping anonymous(1);
  EXPECT_ERRNO(EINVAL, madvise(anonymous.data(), kPage, MADV_REMOVE));
}

TEST(Advice, HintsKeepTheContent) {
  Mapping map(2);
  map[0] = 7;
  for (const int advice : {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTFORK,
                           MADV_DOFORK, MADV_DONTDUMP, MADV_DODUMP}) {
    EXPECT_OK(madvise(map.data(), 2 * kPage, advice)) << advice;
  }
  EXPECT_EQ(7, map[0]);
}

TEST(Advice, Populate) {
  Mapping map(4);
  ASSERT_OK(madvise(map.data(), 4 * kPage, 23 /* MADV_POPULATE_WRITE */));
  unsigned char resident[4] = {};
  ASSERT_OK(mincore(map.data(), 4 * kPage, resident));
  for (const unsigned char page : resident) EXPECT_EQ(1, page & 1);
  Mapping read_only(1, PROT_READ);
  EXPECT_OK(madvise(read_only.data(), kPage, 22 /* MADV_POPULATE_READ */));
  EXPECT_ERRNO(EINVAL, madvise(read_only.data(), kPage, 23));
}

TEST(Advice, Errors) {
  Mapping map(3);
  EXPECT_ERRNO(EINVAL, madvise(map.data(), kPage, 12345));
  EXPECT_ERRNO(EINVAL, madvise(map.data() + 1, kPage, MADV_NORMAL));
  EXPECT_OK(madvise(map.data(), 0, MADV_DONTNEED));
  *map.page(2) = 7;
  ASSERT_OK(munmap(map.page(1), kPage));
  // The hole is reported, but what lies on both sides is done.
  EXPECT_ERRNO(ENOMEM, madvise(map.data(), 3 * kPage, MADV_DONTNEED));
  EXPECT_EQ(0, *map.page(2));
}

TEST(Resident, TouchedPagesAre) {
  Mapping map(4);
  *map.page(1) = 7;
  *map.page(3) = 7;
  unsigned char resident[4] = {};
  ASSERT_OK(mincore(map.data(), map.size(), resident));
  EXPECT_EQ(1, resident[1] & 1);
  EXPECT_EQ(1, resident[3] & 1);
}

TEST(Resident, UntouchedPrivatePagesAreNot) {
  Mapping map(4);
  ASSERT_OK(madvise(map.data(), map.size(), MADV_NOHUGEPAGE) == 0 || errno == EINVAL);
  unsigned char resident[4] = {1, 1, 1, 1};
  ASSERT_OK(mincore(map.data(), map.size(), resident));
  for (const unsigned char page : resident) EXPECT_EQ(0, page & 1);
}

TEST(Resident, Errors) {
  Mapping map(2);
  unsigned char resident[2];
  EXPECT_ERRNO(EINVAL, mincore(map.data() + 1, kPage, resident));
  EXPECT_ERRNO(EFAULT, mincore(map.data(), kPage, bad_pointer<unsigned char>()));
  EXPECT_OK(mincore(map.data(), 0, resident));
  ASSERT_OK(munmap(map.page(1), kPage));
  EXPECT_ERRNO(ENOMEM, mincore(map.data(), 2 * kPage, resident));
}

TEST(Locked, MemoryIsResident) {
  Mapping map(4);
  ASSERT_OK(mlock(map.data(), map.size()));
  unsigned char resident[4] = {};
  ASSERT_OK(mincore(map.data(), map.size(), resident));
  for (const unsigned char page : resident) EXPECT_EQ(1, page & 1);
  EXPECT_OK(munlock(map.data(), map.size()));
}

TEST(Locked, UnalignedRangesAreRounded) {
  Mapping map(2);
  EXPECT_OK(mlock(map.data() + 100, kPage));
  EXPECT_OK(munlock(map.data() + 100, kPage));
  EXPECT_OK(mlock(map.data(), 0));
}

TEST(Locked, OnFault) {
  Mapping map(2);
  EXPECT_OK(mlock2(map.data(), map.size(), MLOCK_ONFAULT));
  EXPECT_ERRNO(EINVAL, mlock2(map.data(), map.size(), 2));
  EXPECT_OK(munlock(map.data(), map.size()));
}

TEST(Locked, Errors) {
  Mapping map(2);
  ASSERT_OK(munmap(map.page(1), kPage));
  EXPECT_ERRNO(ENOMEM, mlock(map.data(), 2 * kPage));
  EXPECT_ERRNO(ENOMEM, munlock(map.data(), 2 * kPage));
  EXPECT_ERRNO(EINVAL, mlockall(0));
  EXPECT_ERRNO(EINVAL, mlockall(MCL_ONFAULT));
  EXPECT_ERRNO(EINVAL, mlockall(64));
  EXPECT_OK(munlockall());
}

TEST(Locked, DontNeedIsRefused) {
  Mapping map(1);
  ASSERT_OK(mlock(map.data(), kPage));
  EXPECT_ERRNO(EINVAL, madvise(map.data(), kPage, MADV_DONTNEED));
  EXPECT_OK(munlock(map.data(), kPage));
}

TEST(Locked, LimitForUsers) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  rlimit old_limit;
  ASSERT_OK(getrlimit(RLIMIT_MEMLOCK, &old_limit));
  const rlimit limit = {.rlim_cur = 2 * kPage, .rlim_max = old_limit.rlim_max};
  ASSERT_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
  in_thread([] {
    ASSERT_OK(syscall(SYS_setresuid, 12345, 12345, 12345));
    Mapping map(4);
    EXPECT_OK(mlock(map.data(), kPage));
    EXPECT_ERRNO(ENOMEM, mlock(map.data(), 4 * kPage));
    EXPECT_OK(munlock(map.data(), 4 * kPage));
  });
  const rlimit none = {.rlim_cur = 0, .rlim_max = old_limit.rlim_max};
  ASSERT_OK(setrlimit(RLIMIT_MEMLOCK, &none));
  in_thread([] {
    ASSERT_OK(syscall(SYS_setresuid, 12345, 12345, 12345));
    Mapping map(1);
    EXPECT_ERRNO(EPERM, mlock(map.data(), kPage));
    EXPECT_ERRNO(EPERM, mlock(map.data(), 0));
    EXPECT_ERRNO(EPERM, mlock2(map.data(), kPage, MLOCK_ONFAULT));
    EXPECT_ERRNO(EPERM, mlockall(MCL_CURRENT));
    EXPECT_ERRNO(EPERM, mlockall(MCL_FUTURE));
    EXPECT_ERRNO(EINVAL, mlockall(0));
    EXPECT_OK(munlockall());
    EXPECT_ERRNO(EPERM, mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED,
                             -1, 0));
  });
  ASSERT_OK(setrlimit(RLIMIT_MEMLOCK, &old_limit));
}

}  // namespace
}  // namespace compat
