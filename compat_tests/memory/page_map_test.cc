// /proc/PID/pagemap, and PROCMAP_QUERY on /proc/PID/maps (ioctl_procmap_query(2)).
#include <inttypes.h>
#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <sstream>

#include "compat_tests/memory/mapping.h"

namespace compat {
namespace {

constexpr uint64_t kPresent = 1ull << 63, kSwapped = 1ull << 62, kOfFile = 1ull << 61,
                   kFrameNumber = (1ull << 55) - 1;

off_t entry_of(const void* address) {
  return off_t(reinterpret_cast<uintptr_t>(address) / kPage * sizeof(uint64_t));
}

class PageMap : public testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(fd = open("/proc/self/pagemap", O_RDONLY)); }
  uint64_t entry(const void* address) {
    uint64_t value = 0;
    EXPECT_EQ(8, pread(fd, &value, sizeof value, entry_of(address)));
    return value;
  }
  Fd fd;
};

TEST_F(PageMap, TellsWhatIsThere) {
  Mapping memory(4);
  EXPECT_EQ(0u, entry(memory.page(1)) & (kPresent | kSwapped | kFrameNumber));
  memory[kPage] = 'x';
  EXPECT_EQ(kPresent, entry(memory.page(1)) & (kPresent | kSwapped | kOfFile));
  EXPECT_EQ(0u, entry(memory.page(2)) & kPresent);
  munmap(memory.data(), kPage);
  EXPECT_EQ(0u, entry(memory.data())) << "nothing is mapped";
}

TEST_F(PageMap, TellsPagesOfFiles) {
  Mapping shared(2, PROT_READ | PROT_WRITE, MAP_SHARED);
  shared[0] = 'x';
  EXPECT_EQ(kPresent | kOfFile, entry(shared.data()) & (kPresent | kSwapped | kOfFile));
  Fd file(memfd_create("pages", 0));
  ASSERT_EQ(4, write(file, "text", 4));
  Mapping mapped(file, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  const char seen = *const_cast<volatile char*>(mapped.data());
  EXPECT_EQ('t', seen);
  EXPECT_EQ(kPresent | kOfFile, entry(mapped.data()) & (kPresent | kSwapped | kOfFile));
  mapped[0] = 'x';
  EXPECT_EQ(kPresent, entry(mapped.data()) & (kPresent | kSwapped | kOfFile)) << "a copy";
}

TEST_F(PageMap, SharedPagesHaveOneFrame) {
  if (geteuid() != 0) GTEST_SKIP() << "frames are for root";
  Fd file(memfd_create("pages", 0));
  ASSERT_EQ(4, write(file, "text", 4));
  Mapping one(file, 1, PROT_READ | PROT_WRITE, MAP_SHARED);
  Mapping two(file, 1, PROT_READ | PROT_WRITE, MAP_SHARED);
  one[0] = two[1] = 'x';
  EXPECT_NE(0u, entry(one.data()) & kFrameNumber);
  EXPECT_EQ(entry(one.data()) & kFrameNumber, entry(two.data()) & kFrameNumber);
  Mapping other(1);
  other[0] = 'x';
  EXPECT_NE(entry(other.data()) & kFrameNumber, entry(one.data()) & kFrameNumber);
}

TEST_F(PageMap, IsReadInWholeEntries) {
  Mapping memory(3);
  memory[0] = memory[kPage] = memory[2 * kPage] = 'x';
  uint64_t entries[3] = {};
  ASSERT_EQ(24, pread(fd, entries, sizeof entries, entry_of(memory.data())));
  for (const uint64_t each : entries) EXPECT_TRUE(each & kPresent);
  EXPECT_ERRNO(EINVAL, pread(fd, entries, 4, entry_of(memory.data())));
  EXPECT_ERRNO(EINVAL, pread(fd, entries, 8, entry_of(memory.data()) + 4));
  EXPECT_EQ(0, pread(fd, entries, 0, 0));
  ASSERT_EQ(entry_of(memory.page(1)), lseek(fd, entry_of(memory.page(1)), SEEK_SET));
  EXPECT_EQ(8, read(fd, entries, 8));
  EXPECT_EQ(8, read(fd, entries, 8));
  EXPECT_EQ(entry_of(memory.page(3)), lseek(fd, 0, SEEK_CUR));
  EXPECT_EQ(0, pread(fd, entries, 8, 1ll << 60)) << "behind the last address";
}

// --- PROCMAP_QUERY. Older headers do not have it.

struct Query {
  uint64_t size, query_flags, query_addr;
  uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
  uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
  uint64_t vma_name_addr, build_id_addr;
};
static_assert(sizeof(Query) == 104);
constexpr unsigned long kQuery = _IOWR('f', 17, Query);
constexpr uint64_t kReadable = 1, kWritable = 2, kExecutable = 4, kShared = 8, kOrNext = 16,
                   kFileBacked = 32;

class MapsQuery : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(fd = open("/proc/self/maps", O_RDONLY));
    Query query = about(memory.data());
    if (ioctl(fd, kQuery, &query) != 0 && errno == ENOTTY) GTEST_SKIP() << "before Linux 6.11";
    // A hole, code that is not written, and memory that is.
    ASSERT_OK(munmap(memory.page(1), kPage));
    ASSERT_OK(mprotect(memory.page(2), kPage, PROT_READ));
  }
  static Query about(const void* address, uint64_t flags = 0) {
    Query query = {};
    query.size = sizeof query;
    query.query_addr = reinterpret_cast<uintptr_t>(address);
    query.query_flags = flags;
    return query;
  }
  uintptr_t page(size_t index) const { return reinterpret_cast<uintptr_t>(memory.page(index)); }

  Mapping memory{5};
  Fd fd;
};

TEST_F(MapsQuery, FindsWhatCovers) {
  Query query = about(memory.page(2) + 5);
  ASSERT_OK(ioctl(fd, kQuery, &query));
  EXPECT_EQ(page(2), query.vma_start);
  EXPECT_EQ(page(3), query.vma_end);
  EXPECT_EQ(kReadable, query.vma_flags);
  EXPECT_EQ(kPage, query.vma_page_size);
  EXPECT_EQ(0u, query.vma_offset);
  EXPECT_EQ(0u, query.inode);
  query = about(memory.page(1));
  EXPECT_ERRNO(ENOENT, ioctl(fd, kQuery, &query));
  query = about(memory.page(2), kWritable);
  EXPECT_ERRNO(ENOENT, ioctl(fd, kQuery, &query));
}

TEST_F(MapsQuery, FindsWhatIsNext) {
  Query query = about(memory.page(1), kOrNext);
  ASSERT_OK(ioctl(fd, kQuery, &query));
  EXPECT_EQ(page(2), query.vma_start);
  query = about(memory.page(1), kOrNext | kWritable);
  ASSERT_OK(ioctl(fd, kQuery, &query));
  EXPECT_EQ(page(3), query.vma_start);
  EXPECT_EQ(kReadable | kWritable, query.vma_flags);
  query = about(nullptr, kOrNext | kFileBacked | kExecutable);
  ASSERT_OK(ioctl(fd, kQuery, &query));
  EXPECT_NE(0u, query.inode);
  query = about(reinterpret_cast<void*>(~0ul - kPage), kOrNext | kShared);
  EXPECT_ERRNO(ENOENT, ioctl(fd, kQuery, &query));
}

TEST_F(MapsQuery, TellsNames) {
  char exe[512] = {}, name[512] = {};
  ASSERT_OK(readlink("/proc/self/exe", exe, sizeof exe - 1));
  static const char text[] = "constant";
  Query query = about(text);
  query.vma_name_addr = reinterpret_cast<uintptr_t>(name);
  query.vma_name_size = sizeof name;
  ASSERT_OK(ioctl(fd, kQuery, &query));
  EXPECT_STREQ(exe, name);
  EXPECT_EQ(strlen(exe) + 1, query.vma_name_size);
  query.vma_name_size = 3;
  EXPECT_ERRNO(ENAMETOOLONG, ioctl(fd, kQuery, &query));
  query = about(memory.data());
  query.vma_name_addr = reinterpret_cast<uintptr_t>(name);
  query.vma_name_size = sizeof name;
  ASSERT_OK(ioctl(fd, kQuery, &query));
  EXPECT_EQ(0u, query.vma_name_size);
  int local = 0;
  query = about(&local);
  query.vma_name_addr = reinterpret_cast<uintptr_t>(name);
  query.vma_name_size = sizeof name;
  ASSERT_OK(ioctl(fd, kQuery, &query));
  EXPECT_STREQ("[stack]", name);
}

TEST_F(MapsQuery, IsChecked) {
  Query query = about(memory.data(), 64);
  EXPECT_ERRNO(EINVAL, ioctl(fd, kQuery, &query));
  query = about(memory.data());
  query.size = 16;
  EXPECT_ERRNO(EINVAL, ioctl(fd, kQuery, &query));
  query.size = 24;
  EXPECT_OK(ioctl(fd, kQuery, &query));
  EXPECT_EQ(0u, query.vma_start) << "there was no room for more";
  query.size = kPage + 1;
  EXPECT_ERRNO(E2BIG, ioctl(fd, kQuery, &query));
  query = about(memory.data());
  query.vma_name_size = 5;
  EXPECT_ERRNO(EINVAL, ioctl(fd, kQuery, &query));
  EXPECT_ERRNO(EFAULT, ioctl(fd, kQuery, bad_pointer<Query>()));
  Fd other(open("/proc/self/cmdline", O_RDONLY));
  query = about(memory.data());
  EXPECT_ERRNO(ENOTTY, ioctl(other, kQuery, &query));
}

}  // namespace
}  // namespace compat
