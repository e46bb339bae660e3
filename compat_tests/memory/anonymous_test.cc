// mmap(2) without files, munmap(2): where mappings go and which are refused.
#include <sys/resource.h>
#include <sys/syscall.h>

#include <vector>

#include "compat_tests/common/fault.h"
#include "compat_tests/memory/mapping.h"

namespace compat {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;

// The system call itself: the C library checks some arguments before the kernel sees them.
void* raw_mmap(uintptr_t address, size_t size, int protection, int flags, int fd, off_t offset) {
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, size, protection, flags, fd, offset));
}

TEST(Anonymous, StartsAsZeros) {
  Mapping map(4);
  for (size_t i = 0; i < map.size(); ++i) ASSERT_EQ(0, map[i]) << i;
}

TEST(Anonymous, PageAlignedAndWritable) {
  Mapping map(nullptr, 0);
  map = Mapping(mmap(nullptr, 5000, kReadWrite, kPrivate, -1, 0), 5000);
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(map.data()) % kPage);
  // Length is rounded up to pages.
  map[8191] = 7;
  EXPECT_EQ(7, map[8191]);
}

TEST(Anonymous, LengthZero) {
  EXPECT_ERRNO(EINVAL, mmap(nullptr, 0, kReadWrite, kPrivate, -1, 0));
}

TEST(Anonymous, EitherSharedOrPrivate) {
  EXPECT_ERRNO(EINVAL, mmap(nullptr, kPage, kReadWrite, MAP_ANONYMOUS, -1, 0));
  EXPECT_ERRNO(EINVAL,
               mmap(nullptr, kPage, kReadWrite, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
}

TEST(Anonymous, ImpossibleSizes) {
  EXPECT_ERRNO(ENOMEM, mmap(nullptr, SIZE_MAX - kPage, kReadWrite, kPrivate, -1, 0));
  EXPECT_ERRNO(ENOMEM, mmap(nullptr, 1ull << 47, kReadWrite, kPrivate, -1, 0));
  EXPECT_ERRNO(ENOMEM, mmap(nullptr, SIZE_MAX, kReadWrite, kPrivate, -1, 0));
}

TEST(Anonymous, UnalignedOffset) {
  EXPECT_ERRNO(EINVAL, raw_mmap(0, kPage, kReadWrite, kPrivate, -1, 17));
}

TEST(Anonymous, DescriptorIsIgnored) {
  void* map = mmap(nullptr, kPage, kReadWrite, kPrivate, 12345, 0);
  EXPECT_OK(map);
  EXPECT_OK(munmap(map, kPage));
}

TEST(Anonymous, FreeHintIsTaken) {
  char* address = Mapping(4).data();  // free again
  Mapping map(mmap(address, kPage, kReadWrite, kPrivate, -1, 0), kPage);
  EXPECT_EQ(address, map.data());
}

TEST(Anonymous, TakenHintIsOnlyAHint) {
  Mapping first(2);
  first[0] = 7;
  Mapping second(mmap(first.data(), kPage, kReadWrite, kPrivate, -1, 0), kPage);
  EXPECT_NE(first.data(), second.data());
  EXPECT_EQ(7, first[0]);
}

TEST(Anonymous, UnalignedHintIsRounded) {
  Mapping map(mmap(reinterpret_cast<void*>(0x7000'0000'0123), kPage, kReadWrite, kPrivate, -1, 0),
              kPage);
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(map.data()) % kPage);
}

TEST(Anonymous, FixedReplaces) {
  Mapping map(3);
  for (size_t i = 0; i < 3; ++i) *map.page(i) = 7;
  ASSERT_EQ(map.page(1), mmap(map.page(1), kPage, kReadWrite, kPrivate | MAP_FIXED, -1, 0));
  EXPECT_EQ(7, *map.page(0));
  EXPECT_EQ(0, *map.page(1));
  EXPECT_EQ(7, *map.page(2));
}

TEST(Anonymous, FixedErrors) {
  Mapping map(1);
  EXPECT_ERRNO(EINVAL, mmap(map.data() + 1, kPage, kReadWrite, kPrivate | MAP_FIXED, -1, 0));
  EXPECT_ERRNO(ENOMEM, raw_mmap(0x7fff'ffff'f000, kPage, kReadWrite, kPrivate | MAP_FIXED, -1, 0));
  EXPECT_ERRNO(ENOMEM,
               raw_mmap(0xffff'8000'0000'0000, kPage, kReadWrite, kPrivate | MAP_FIXED, -1, 0));
}

TEST(Anonymous, FixedWithoutReplacing) {
  Mapping map(3);
  EXPECT_ERRNO(EEXIST, mmap(map.page(1), kPage, kReadWrite, kPrivate | MAP_FIXED_NOREPLACE, -1, 0));
  ASSERT_OK(munmap(map.page(1), kPage));
  EXPECT_ERRNO(EEXIST,
               mmap(map.page(1), 2 * kPage, kReadWrite, kPrivate | MAP_FIXED_NOREPLACE, -1, 0));
  EXPECT_EQ(map.page(1),
            mmap(map.page(1), kPage, kReadWrite, kPrivate | MAP_FIXED_NOREPLACE, -1, 0));
}

TEST(Anonymous, LowAddresses) {
  Mapping map(mmap(nullptr, kPage, kReadWrite, kPrivate | MAP_32BIT, -1, 0), kPage);
  EXPECT_LT(reinterpret_cast<uintptr_t>(map.data()), 1ull << 32);
  map[0] = 1;
}

TEST(Anonymous, AddressSpaceWithoutMemory) {
  // What allocators and run-time systems reserve at their start.
  constexpr size_t kHuge = 64ull << 30;
  Mapping map(mmap(nullptr, kHuge, PROT_NONE, kPrivate | MAP_NORESERVE, -1, 0), kHuge);
  ASSERT_NE(MAP_FAILED, static_cast<void*>(map.data()));
  ASSERT_OK(mprotect(map.data() + (kHuge / 2), kPage, kReadWrite));
  map[kHuge / 2] = 7;
  EXPECT_FALSE(can_read(map.data() + kHuge / 2 + kPage));
}

TEST(Anonymous, UnmapTheMiddle) {
  Mapping map(3);
  for (size_t i = 0; i < 3; ++i) *map.page(i) = 7;
  ASSERT_OK(munmap(map.page(1), kPage));
  EXPECT_EQ(7, *map.page(0));
  EXPECT_FALSE(can_read(map.page(1)));
  EXPECT_EQ(7, *map.page(2));
}

TEST(Anonymous, UnmapOverHoles) {
  Mapping map(5);
  ASSERT_OK(munmap(map.page(1), kPage));
  ASSERT_OK(munmap(map.page(3), kPage));
  EXPECT_OK(munmap(map.page(0), 5 * kPage));
  for (size_t i = 0; i < 5; ++i) EXPECT_FALSE(can_read(map.page(i)));
  EXPECT_OK(munmap(map.page(0), 5 * kPage));
}

TEST(Anonymous, UnmapErrors) {
  Mapping map(1);
  EXPECT_ERRNO(EINVAL, munmap(map.data() + 1, kPage));
  EXPECT_ERRNO(EINVAL, munmap(map.data(), 0));
  EXPECT_ERRNO(EINVAL, munmap(map.data(), SIZE_MAX));
  EXPECT_ERRNO(EINVAL, munmap(reinterpret_cast<void*>(0xffff'8000'0000'0000), kPage));
}

TEST(Anonymous, UnmappedMemoryComesBackEmpty) {
  char* address;
  {
    Mapping map(1);
    map[0] = 7;
    address = map.data();
  }
  Mapping again(mmap(address, kPage, kReadWrite, kPrivate | MAP_FIXED_NOREPLACE, -1, 0), kPage);
  EXPECT_EQ(0, again[0]);
}

TEST(Anonymous, SharedAnonymousMemory) {
  Mapping map(2, kReadWrite, MAP_SHARED);
  map[kPage] = 7;
  EXPECT_EQ(0, map[0]);
  EXPECT_EQ(7, map[kPage]);
}

TEST(Anonymous, ManyMappings) {
  // Every second page unmapped: as many separate areas as it goes, and all of them work.
  constexpr size_t kCount = 1000;
  Mapping map(2 * kCount);
  for (size_t i = 0; i < kCount; ++i) ASSERT_OK(munmap(map.page(2 * i + 1), kPage));
  for (size_t i = 0; i < kCount; ++i) *map.page(2 * i) = static_cast<char>(i);
  for (size_t i = 0; i < kCount; ++i) ASSERT_EQ(static_cast<char>(i), *map.page(2 * i));
}

TEST(Anonymous, EightMebibytesOfPattern) {
  Mapping map(2048);
  for (size_t i = 0; i < 2048; ++i)
    *reinterpret_cast<size_t*>(map.page(i)) = i * 0x9e3779b97f4a7c15;
  for (size_t i = 0; i < 2048; ++i) {
    ASSERT_EQ(i * 0x9e3779b97f4a7c15, *reinterpret_cast<size_t*>(map.page(i)));
  }
}

TEST(Anonymous, AddressSpaceLimit) {
  rlimit old_limit;
  ASSERT_OK(getrlimit(RLIMIT_AS, &old_limit));
  const rlimit limit = {.rlim_cur = 1, .rlim_max = old_limit.rlim_max};
  ASSERT_OK(setrlimit(RLIMIT_AS, &limit));
  void* map = mmap(nullptr, kPage, kReadWrite, kPrivate, -1, 0);
  const int error = errno;
  ASSERT_OK(setrlimit(RLIMIT_AS, &old_limit));
  EXPECT_EQ(MAP_FAILED, map);
  EXPECT_EQ(ENOMEM, error);
}

TEST(Anonymous, PopulateMakesPagesResident) {
  Mapping map(8, kReadWrite, MAP_PRIVATE | MAP_POPULATE);
  unsigned char resident[8] = {};
  ASSERT_OK(mincore(map.data(), map.size(), resident));
  for (const unsigned char page : resident) EXPECT_EQ(1, page & 1);
}

TEST(Break, GrowsAndShrinks) {
  auto* start = static_cast<char*>(sbrk(0));
  ASSERT_EQ(start, sbrk(3 * kPage));
  EXPECT_EQ(start + 3 * kPage, sbrk(0));
  for (size_t i = 0; i < 3 * kPage; i += 512) ASSERT_EQ(0, start[i]);
  start[3 * kPage - 1] = 7;
  ASSERT_OK(brk(start));
  EXPECT_EQ(start, sbrk(0));
}

TEST(Break, ComesBackEmpty) {
  auto* start = static_cast<char*>(sbrk(0));
  ASSERT_OK(brk(start + 4 * kPage));
  start[2 * kPage] = 7;
  ASSERT_OK(brk(start));
  ASSERT_OK(brk(start + 4 * kPage));
  EXPECT_EQ(0, start[2 * kPage]);
  ASSERT_OK(brk(start));
}

TEST(Break, RefusalReturnsTheOldBreak) {
  const long now = syscall(SYS_brk, 0);
  EXPECT_EQ(now, syscall(SYS_brk, 4096));
  EXPECT_EQ(now, syscall(SYS_brk, -1L));
  EXPECT_EQ(now, syscall(SYS_brk, 0));
}

TEST(Break, DoesNotRunIntoAMapping) {
  const uintptr_t now = static_cast<uintptr_t>(syscall(SYS_brk, 0));
  const uintptr_t wall = (now + 16 * kPage) & ~(kPage - 1);
  Mapping map(
      mmap(reinterpret_cast<void*>(wall), kPage, kReadWrite, kPrivate | MAP_FIXED_NOREPLACE, -1, 0),
      kPage);
  ASSERT_EQ(reinterpret_cast<char*>(wall), map.data());
  EXPECT_ERRNO(ENOMEM, brk(reinterpret_cast<void*>(wall + 4 * kPage)));
  EXPECT_EQ(now, static_cast<uintptr_t>(syscall(SYS_brk, 0)));
}

TEST(Break, DataLimit) {
  rlimit old_limit;
  ASSERT_OK(getrlimit(RLIMIT_DATA, &old_limit));
  const rlimit limit = {.rlim_cur = 1, .rlim_max = old_limit.rlim_max};
  ASSERT_OK(setrlimit(RLIMIT_DATA, &limit));
  const long now = syscall(SYS_brk, 0);
  const long after = syscall(SYS_brk, now + 0x10000);
  ASSERT_OK(setrlimit(RLIMIT_DATA, &old_limit));
  EXPECT_EQ(now, after);
}

}  // namespace
}  // namespace compat
