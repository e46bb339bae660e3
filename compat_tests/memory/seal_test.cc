// mseal(2): mappings that can't be changed any more. Since Linux 6.10.
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat_tests/common/fault.h"
#include "compat_tests/memory/mapping.h"

namespace compat {
namespace {

constexpr long kMseal = 462;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;

long seal(void* start, size_t length, unsigned long flags = 0) {
  return syscall(kMseal, start, length, flags);
}

// Five pages; the second and the third are sealed. Nobody can unmap them, so they stay.
class Sealed : public testing::Test {
 protected:
  void SetUp() override {
    if (seal(nullptr, 0) != 0 && errno == ENOSYS) GTEST_SKIP() << "this kernel has no mseal(2)";
    Mapping area(5);
    memory = static_cast<char*>(area.release());
    for (size_t i = 0; i < 5; ++i) *page(i) = static_cast<char>('a' + i);
    ASSERT_EQ(0, seal(page(1), 2 * kPage));
  }
  char* page(size_t index) const { return memory + index * kPage; }
  void expect_intact() const {
    EXPECT_EQ('b', *page(1));
    EXPECT_EQ('c', *page(2));
    EXPECT_TRUE(can_write(page(1)));
  }

  char* memory = nullptr;
};

TEST_F(Sealed, IsUsedAsBefore) {
  *page(1) = 'x';
  EXPECT_EQ('x', *page(1));
  EXPECT_EQ(0, seal(page(1), kPage)) << "twice is no more than once";
}

TEST_F(Sealed, StaysMapped) {
  EXPECT_ERRNO(EPERM, munmap(page(1), kPage));
  EXPECT_ERRNO(EPERM, munmap(page(0), 5 * kPage));
  EXPECT_ERRNO(
      EPERM, reinterpret_cast<intptr_t>(
                 mmap(page(2), kPage, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)));
  expect_intact();
  EXPECT_EQ('a', *page(0)) << "nothing of the range went";
}

TEST_F(Sealed, StaysWhereItIs) {
  EXPECT_ERRNO(EPERM, reinterpret_cast<intptr_t>(mremap(page(1), 2 * kPage, kPage, 0)));
  EXPECT_ERRNO(EPERM,
               reinterpret_cast<intptr_t>(mremap(page(1), 2 * kPage, 4 * kPage, MREMAP_MAYMOVE)));
  EXPECT_ERRNO(EPERM, reinterpret_cast<intptr_t>(
                          mremap(page(4), kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, page(1))));
  expect_intact();
}

TEST_F(Sealed, IsNotCutOff) {
  // What is cut off first is the end, which has the seals.
  Mapping place(5);
  EXPECT_ERRNO(EPERM, reinterpret_cast<intptr_t>(mremap(
                          page(0), 5 * kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, place.data())));
  EXPECT_ERRNO(EPERM, reinterpret_cast<intptr_t>(mremap(page(0), 5 * kPage, kPage, 0)));
  expect_intact();
}

TEST_F(Sealed, KeepsItsProtection) {
  EXPECT_ERRNO(EPERM, mprotect(page(1), kPage, PROT_READ));
  EXPECT_ERRNO(EPERM, mprotect(page(1), kPage, kReadWrite)) << "even if it is the same";
  expect_intact();
}

TEST_F(Sealed, KeepsItsContentsWhenNobodyMayWriteThem) {
  ASSERT_EQ(0, mprotect(page(3), kPage, PROT_READ));
  ASSERT_EQ(0, seal(page(3), kPage));
  for (const int advice : {MADV_DONTNEED, MADV_FREE, MADV_DONTFORK, MADV_WIPEONFORK})
    EXPECT_ERRNO(EPERM, madvise(page(3), kPage, advice));
  EXPECT_EQ('d', *page(3));
  EXPECT_EQ(0, madvise(page(1), kPage, MADV_DONTNEED)) << "who may write may do this too";
  EXPECT_EQ(0, *page(1));
}

TEST_F(Sealed, LeavesItsNeighboursAlone) {
  EXPECT_EQ(0, mprotect(page(0), kPage, PROT_READ));
  EXPECT_EQ(0, munmap(page(3), 2 * kPage));
  EXPECT_FALSE(can_read(page(3)));
  expect_intact();
}

TEST_F(Sealed, RefusesWhatItCannotSeal) {
  EXPECT_ERRNO(EINVAL, seal(page(0), kPage, 1));
  EXPECT_ERRNO(EINVAL, seal(page(0) + 1, kPage));
  EXPECT_ERRNO(EINVAL, seal(page(0), ~size_t{0}));
  EXPECT_EQ(0, seal(page(0), 0));
  ASSERT_EQ(0, munmap(page(3), kPage));
  EXPECT_ERRNO(ENOMEM, seal(page(0), 5 * kPage));
  EXPECT_EQ(0, munmap(page(0), kPage)) << "then nothing is sealed";
}

}  // namespace
}  // namespace compat
