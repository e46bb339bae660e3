// mremap(2).
#include "compat_tests/common/fault.h"
#include "compat_tests/memory/mapping.h"

namespace compat {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

// Two pages with their content, and three free ones behind them.
class Remap : public testing::Test {
 protected:
  Remap() : area(5) {
    munmap(area.page(2), 3 * kPage);
    *area.page(0) = 'a';
    *area.page(1) = 'b';
  }

  Mapping area;
};

TEST_F(Remap, ShrinksInPlace) {
  EXPECT_EQ(area.data(), mremap(area.data(), 2 * kPage, kPage, 0));
  EXPECT_EQ('a', *area.page(0));
  EXPECT_FALSE(can_read(area.page(1)));
}

TEST_F(Remap, GrowsInPlace) {
  EXPECT_EQ(area.data(), mremap(area.data(), 2 * kPage, 5 * kPage, 0));
  EXPECT_EQ('a', *area.page(0));
  EXPECT_EQ('b', *area.page(1));
  EXPECT_EQ(0, *area.page(4));
  *area.page(4) = 'e';
}

TEST_F(Remap, DoesNotMoveUnlessAllowed) {
  Mapping wall(mmap(area.page(2), kPage, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
               kPage);
  EXPECT_ERRNO(ENOMEM, mremap(area.data(), 2 * kPage, 5 * kPage, 0));
  EXPECT_EQ('b', *area.page(1));
}

TEST_F(Remap, MovesWithItsContent) {
  Mapping wall(mmap(area.page(2), kPage, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
               kPage);
  auto* moved = static_cast<char*>(mremap(area.data(), 2 * kPage, 64 * kPage, MREMAP_MAYMOVE));
  ASSERT_NE(MAP_FAILED, static_cast<void*>(moved));
  Mapping owner(moved, 64 * kPage);
  EXPECT_NE(area.data(), moved);
  EXPECT_EQ('a', moved[0]);
  EXPECT_EQ('b', moved[kPage]);
  EXPECT_EQ(0, moved[63 * kPage]);
  EXPECT_FALSE(can_read(area.page(0)));
}

TEST_F(Remap, ToAChosenPlace) {
  Mapping target(4);
  target[kPage] = 'x';
  EXPECT_EQ(target.page(1), mremap(area.data(), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED,
                                   target.page(1)));
  EXPECT_EQ('a', *target.page(1));
  EXPECT_EQ('b', *target.page(2));
  EXPECT_FALSE(can_read(area.page(0)));
}

TEST_F(Remap, LeavingAnEmptyMappingBehind) {
  // The fifth argument is a hint here, which the C library passes on without being asked to.
  void* moved =
      mremap(area.data(), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, nullptr);
  ASSERT_NE(MAP_FAILED, moved);
  Mapping owner(moved, 2 * kPage);
  EXPECT_EQ('a', owner[0]);
  EXPECT_EQ(0, *area.page(0));
  EXPECT_ERRNO(EINVAL, mremap(area.data(), 2 * kPage, 3 * kPage, MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
                              nullptr));
}

TEST_F(Remap, KeepsItsProtection) {
  ASSERT_OK(mprotect(area.data(), 2 * kPage, PROT_READ));
  auto* moved = static_cast<char*>(mremap(area.data(), 2 * kPage, 1000 * kPage, MREMAP_MAYMOVE));
  Mapping owner(moved, 1000 * kPage);
  EXPECT_TRUE(can_read(owner.page(999)));
  EXPECT_FALSE(can_write(owner.page(0)));
  EXPECT_FALSE(can_write(owner.page(999)));
}

TEST_F(Remap, PartOfAMapping) {
  Mapping map(5);
  for (size_t i = 0; i < 5; ++i) *map.page(i) = static_cast<char>('0' + i);
  void* moved = mremap(map.page(1), 2 * kPage, 6 * kPage, MREMAP_MAYMOVE);
  ASSERT_NE(MAP_FAILED, moved);
  Mapping owner(moved, 6 * kPage);
  EXPECT_EQ('1', owner[0]);
  EXPECT_EQ('2', owner[kPage]);
  EXPECT_EQ('0', *map.page(0));
  EXPECT_FALSE(can_read(map.page(1)));
  EXPECT_EQ('3', *map.page(3));
}

TEST_F(Remap, SecondViewOfSharedMemory) {
  // mremap(2): old_size zero on a shared mapping makes another mapping of the same pages.
  Mapping shared(2, kReadWrite, MAP_SHARED);
  Mapping second(mremap(shared.data(), 0, 2 * kPage, MREMAP_MAYMOVE), 2 * kPage);
  ASSERT_NE(MAP_FAILED, static_cast<void*>(second.data()));
  shared[kPage] = 'x';
  EXPECT_EQ('x', second[kPage]);
  EXPECT_ERRNO(EINVAL, mremap(area.data(), 0, kPage, MREMAP_MAYMOVE));
}

TEST_F(Remap, FileMappingShowsMoreOfTheFile) {
  TempDir dir;
  write_file(dir / "file", pattern(4 * kPage));
  Fd fd(open((dir / "file").c_str(), O_RDONLY));
  Mapping small(fd, 1, PROT_READ, MAP_SHARED, kPage);
  Mapping large(mremap(small.data(), kPage, 3 * kPage, MREMAP_MAYMOVE), 3 * kPage);
  ASSERT_NE(MAP_FAILED, static_cast<void*>(large.data()));
  small.release();
  EXPECT_EQ(pattern(4 * kPage).substr(kPage), std::string(large.data(), 3 * kPage));
}

TEST_F(Remap, Errors) {
  EXPECT_ERRNO(EINVAL, mremap(area.data() + 1, kPage, 2 * kPage, MREMAP_MAYMOVE));
  EXPECT_ERRNO(EINVAL, mremap(area.data(), kPage, 0, MREMAP_MAYMOVE));
  EXPECT_ERRNO(EINVAL, mremap(area.data(), kPage, 2 * kPage, 64));
  EXPECT_ERRNO(EINVAL, mremap(area.data(), kPage, kPage, MREMAP_FIXED, area.page(3)));
  EXPECT_ERRNO(EINVAL,
               mremap(area.data(), kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, area.page(3) + 1));
  // Source and target must not overlap.
  EXPECT_ERRNO(EINVAL, mremap(area.data(), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED,
                              area.page(1)));
  EXPECT_ERRNO(EFAULT, mremap(area.page(3), kPage, 2 * kPage, MREMAP_MAYMOVE));
  // Growing concerns one mapping: not a hole behind it.
  EXPECT_ERRNO(EFAULT, mremap(area.data(), 4 * kPage, 8 * kPage, MREMAP_MAYMOVE));
}

TEST_F(Remap, DoesNotShowAgainWhatItTookAway) {
  Mapping shared(2, PROT_READ | PROT_WRITE, MAP_SHARED);
  EXPECT_ERRNO(EFAULT,
               mremap(shared.data(), 0, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, shared.data()));
  unsigned char there;
  EXPECT_ERRNO(ENOMEM, mincore(shared.data(), kPage, &there));
}

TEST_F(Remap, ShrinksOverSeveralMappings) {
  ASSERT_OK(mprotect(area.page(1), kPage, PROT_READ));
  ASSERT_EQ(area.data(), mremap(area.data(), 4 * kPage, kPage, 0));
  EXPECT_EQ('a', area[0]);
  unsigned char there;
  EXPECT_ERRNO(ENOMEM, mincore(area.page(1), kPage, &there));
  EXPECT_ERRNO(ENOMEM, mincore(area.page(3), kPage, &there));
}

TEST_F(Remap, MovesTheBeginningOfSeveralMappings) {
  ASSERT_OK(mprotect(area.page(1), kPage, PROT_READ));
  Mapping place(4);
  ASSERT_EQ(place.data(),
            mremap(area.data(), 4 * kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, place.data()));
  EXPECT_EQ('a', place[0]);
  unsigned char there;
  EXPECT_ERRNO(ENOMEM, mincore(area.page(2), kPage, &there));
}

TEST_F(Remap, GrowsStepByStep) {
  // As realloc(3) does with a large block.
  char* block = area.data();
  size_t pages = 2;
  area.release();
  while (pages < 512) {
    block = static_cast<char*>(mremap(block, pages * kPage, 2 * pages * kPage, MREMAP_MAYMOVE));
    ASSERT_NE(MAP_FAILED, static_cast<void*>(block));
    pages *= 2;
    block[(pages - 1) * kPage] = static_cast<char>(pages);
  }
  EXPECT_EQ('a', block[0]);
  EXPECT_EQ('b', block[kPage]);
  for (size_t i = 4; i <= 512; i *= 2) EXPECT_EQ(static_cast<char>(i), block[(i - 1) * kPage]);
  munmap(block, pages * kPage);
}

}  // namespace
}  // namespace compat
