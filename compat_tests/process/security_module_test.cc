// lsm_list_modules(2) and the attributes that security modules have: since Linux 6.8.
#include <sys/syscall.h>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

constexpr long kGet = 459, kSet = 460, kList = 461;
constexpr uint64_t kCapability = 100;

class SecurityModules : public testing::Test {
 protected:
  void SetUp() override {
    uint32_t size = sizeof ids;
    if (syscall(kList, ids, &size, 0) == -1 && errno == ENOSYS) GTEST_SKIP() << "before Linux 6.8";
  }
  uint64_t ids[64] = {};
};

TEST_F(SecurityModules, CapabilitiesAreOne) {
  uint32_t size = sizeof ids;
  const long count = syscall(kList, ids, &size, 0);
  ASSERT_GT(count, 0);
  EXPECT_EQ(uint32_t(count) * 8, size);
  bool found = false;
  for (long i = 0; i < count; ++i) found |= ids[i] == kCapability;
  EXPECT_TRUE(found);
}

TEST_F(SecurityModules, ListIsChecked) {
  uint32_t size = 0;
  EXPECT_ERRNO(E2BIG, syscall(kList, ids, &size, 0));
  EXPECT_GE(size, 8u);
  EXPECT_ERRNO(EFAULT, syscall(kList, nullptr, &size, 0));
  EXPECT_ERRNO(EFAULT, syscall(kList, ids, nullptr, 0));
  EXPECT_ERRNO(EINVAL, syscall(kList, ids, &size, 1));
}

TEST_F(SecurityModules, CapabilitiesHaveNoAttributes) {
  char context[64] = {};
  uint32_t size = sizeof context;
  EXPECT_ERRNO(EINVAL, syscall(kGet, 0, context, &size, 0));
  EXPECT_ERRNO(EINVAL, syscall(kGet, 100, context, nullptr, 0));
  EXPECT_ERRNO(EFAULT, syscall(kGet, 100, context, bad_pointer<uint32_t>(), 0));
  EXPECT_ERRNO(EINVAL, syscall(kGet, 100, context, &size, 2));
  EXPECT_ERRNO(EINVAL, syscall(kGet, 100, context, &size, 1)) << "of no module";
  memcpy(context, &kCapability, sizeof kCapability);
  EXPECT_ERRNO(EOPNOTSUPP, syscall(kGet, 100, context, &size, 1));
  struct {
    uint64_t id, flags, length, context_length;
  } set = {kCapability, 0, 32, 0};
  EXPECT_ERRNO(EOPNOTSUPP, syscall(kSet, 100, &set, sizeof set, 0));
  EXPECT_ERRNO(EINVAL, syscall(kSet, 100, &set, sizeof set, 1));
  EXPECT_ERRNO(EINVAL, syscall(kSet, 100, &set, 8, 0));
  EXPECT_ERRNO(E2BIG, syscall(kSet, 100, &set, kPage + 1, 0));
  EXPECT_ERRNO(EFAULT, syscall(kSet, 100, bad_pointer<char>(), 32, 0));
  set.length = 33;
  EXPECT_ERRNO(EINVAL, syscall(kSet, 100, &set, sizeof set, 0));
}

}  // namespace
}  // namespace compat
