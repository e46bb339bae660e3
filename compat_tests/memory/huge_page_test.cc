// MADV_HUGEPAGE in madvise(2): memory in pages of 2 MiB, which are taken apart where a part of them
// changes. Whether the kernel has such pages to give is its own affair; what a program sees of its
// memory is not.
#include <sys/prctl.h>
#include <sys/wait.h>

#include "compat_tests/common/fault.h"
#include "compat_tests/memory/mapping.h"

namespace compat {
namespace {

constexpr size_t kHuge = size_t{2} << 20;
constexpr size_t kPages = 2 * kHuge / kPage;

// Two huge pages, aligned.
class HugePages : public testing::Test {
 protected:
  void SetUp() override {
    const uintptr_t start = reinterpret_cast<uintptr_t>(around_.data());
    data_ = around_.data() + (kHuge - start % kHuge) % kHuge;
    if (madvise(data_, 2 * kHuge, MADV_HUGEPAGE) != 0) {
      ASSERT_EQ(EINVAL, errno);
      GTEST_SKIP() << "this kernel has no huge pages";
    }
  }

  char* page(size_t index) const { return data_ + index * kPage; }
  // Each page has its number.
  void fill() const {
    for (size_t i = 0; i < kPages; ++i) memcpy(page(i), &i, sizeof i);
  }
  // Pages whose content is not their number.
  size_t changed(size_t from = 0, size_t to = kPages) const {
    size_t count = 0;
    for (size_t i = from; i < to; ++i) count += memcmp(page(i), &i, sizeof i) != 0;
    return count;
  }
  // The flags in /proc/self/smaps (proc_pid_smaps(5)) of what begins at data_, in spaces.
  std::string flags() const {
    char start[32];
    snprintf(start, sizeof start, "%lx-", reinterpret_cast<unsigned long>(data_));
    const std::string all = read_file("/proc/self/smaps");
    const size_t at = all.find("VmFlags:", all.find(start));
    return at == std::string::npos ? "" : all.substr(at, all.find('\n', at) - at) + ' ';
  }

  Mapping around_{3 * kHuge / kPage};
  char* data_ = nullptr;
};

TEST_F(HugePages, OneWriteBringsZerosAround) {
  data_[kHuge + 12345] = 7;
  EXPECT_EQ(0, data_[0]);
  for (size_t i = 0; i < kHuge; i += kPage / 2) ASSERT_EQ(0, data_[kHuge + i]) << i;
  EXPECT_EQ(7, data_[kHuge + 12345]);
}

TEST_F(HugePages, HintIsTold) {
  EXPECT_NE(std::string::npos, flags().find(" hg ")) << flags();
  ASSERT_OK(madvise(data_, 2 * kHuge, MADV_NOHUGEPAGE));
  EXPECT_EQ(std::string::npos, flags().find(" hg ")) << flags();
}

TEST_F(HugePages, PartsChangeAlone) {
  fill();
  ASSERT_OK(mprotect(page(100), kPage, PROT_READ));
  EXPECT_EQ(SIGSEGV, fault_of_write(page(100)).signal);
  *page(101) = *page(101);
  ASSERT_OK(munmap(page(200), 3 * kPage));
  EXPECT_EQ(SIGSEGV, fault_of_write(page(201)).signal);
  ASSERT_OK(madvise(page(300), 3 * kPage, MADV_DONTNEED));
  for (size_t i = 300; i < 303; ++i) EXPECT_EQ(0, *reinterpret_cast<size_t*>(page(i)));
  EXPECT_EQ(0u, changed(0, 200));
  EXPECT_EQ(0u, changed(203, 300));
  EXPECT_EQ(0u, changed(303));
  // All of one given back and written again.
  ASSERT_OK(madvise(data_ + kHuge, kHuge, MADV_DONTNEED));
  EXPECT_EQ(kHuge / kPage, changed(kHuge / kPage));
  for (size_t i = kHuge / kPage; i < kPages; ++i) memcpy(page(i), &i, sizeof i);
  EXPECT_EQ(0u, changed(303));
}

TEST_F(HugePages, MovedPagesKeepTheirContent) {
  fill();
  Mapping target(8, PROT_NONE);
  void* const moved =
      mremap(page(64), 8 * kPage, 8 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target.data());
  ASSERT_EQ(target.data(), moved) << error_name(errno);
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(64 + i, *reinterpret_cast<size_t*>(target.page(i)));
  EXPECT_EQ(0u, changed(0, 64));
  EXPECT_EQ(0u, changed(72));
}

TEST_F(HugePages, ChildHasACopy) {
  fill();
  const pid_t child = fork();
  ASSERT_OK(child);
  if (child == 0) {
    const bool same = changed() == 0;
    for (size_t i = 0; i < kPages; i += 3) *page(i) ^= 1;
    _exit(same && changed() >= kPages / 3 ? 0 : 1);
  }
  for (size_t i = 1; i < kPages; i += 3) *page(i) ^= 2;
  int status = -1;
  ASSERT_OK(waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  for (size_t i = 1; i < kPages; i += 3) *page(i) ^= 2;
  EXPECT_EQ(0u, changed());
}

TEST_F(HugePages, SystemCallsReachThem) {
  Fd zero(open("/dev/zero", O_RDONLY));
  fill();
  const size_t around = kHuge / kPage;
  ASSERT_EQ(ssize_t(4 * kPage), read(zero, page(around - 2), 4 * kPage));
  EXPECT_EQ(0u, changed(0, around - 2));
  EXPECT_EQ(4u, changed(around - 2, around + 2));
  EXPECT_EQ(0u, changed(around + 2));
}

// prctl(2): a process without huge pages, and what comes from it.
TEST(HugePagesDisabled, IsInherited) {
  const pid_t child = fork();
  ASSERT_OK(child);
  if (child == 0) {
    bool right = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0;
    right = right && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0;
    if (fork() == 0) _exit(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1 ? 0 : 1);
    int status = -1;
    right = right && wait(&status) > 0 && status == 0;
    right = right && prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0;
    _exit(right && prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0 ? 0 : 1);
  }
  int status = -1;
  ASSERT_OK(waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
}

}  // namespace
}  // namespace compat
