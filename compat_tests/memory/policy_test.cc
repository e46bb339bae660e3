// Where pages lie: get_mempolicy(2), set_mempolicy(2), mbind(2), migrate_pages(2), move_pages(2).
// Only node 0 is asked for, which every machine has.
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "compat_tests/common/fault.h"
#include "compat_tests/common/threads.h"
#include "compat_tests/memory/mapping.h"

namespace compat {
namespace {

constexpr unsigned long kNode0[16] = {1};
constexpr unsigned long kNoNode[16] = {};
constexpr unsigned long kAbsentNode[16] = {1ul << 63};
constexpr unsigned long kBits = 1024;

long get_policy(int* mode, unsigned long* nodes = nullptr, void* address = nullptr,
                unsigned flags = 0) {
  return syscall(SYS_get_mempolicy, mode, nodes, nodes != nullptr ? kBits : 0, address, flags);
}
long set_policy(int mode, const unsigned long* nodes = nullptr, unsigned long bits = kBits) {
  return syscall(SYS_set_mempolicy, mode, nodes, nodes != nullptr ? bits : 0);
}
long bind_range(void* start, size_t size, int mode, const unsigned long* nodes = nullptr,
                unsigned flags = 0) {
  return syscall(SYS_mbind, start, size, mode, nodes, nodes != nullptr ? kBits : 0, flags);
}
int policy_at(void* address) {
  int mode = -1;
  EXPECT_OK(get_policy(&mode, nullptr, address, MPOL_F_ADDR));
  return mode;
}
bool kernel_has_none() {
  int mode;
  return get_policy(&mode) < 0 && errno == ENOSYS;
}
#define NEEDS_NUMA() \
  if (kernel_has_none()) GTEST_SKIP() << "a kernel without CONFIG_NUMA"

TEST(MemoryPolicy, OfATask) {
  NEEDS_NUMA();
  in_thread([] {
    int mode = -1;
    unsigned long nodes[16] = {7};
    ASSERT_OK(get_policy(&mode, nodes));
    EXPECT_EQ(MPOL_DEFAULT, mode);
    EXPECT_EQ(0u, nodes[0]) << "the mask is written whole";
    ASSERT_OK(set_policy(MPOL_BIND, kNode0));
    ASSERT_OK(get_policy(&mode, nodes));
    EXPECT_EQ(MPOL_BIND, mode);
    EXPECT_EQ(1u, nodes[0]);
    // Preferring no node means the one that is near.
    ASSERT_OK(set_policy(MPOL_PREFERRED));
    ASSERT_OK(get_policy(&mode, nodes));
    EXPECT_EQ(MPOL_LOCAL, mode);
    EXPECT_EQ(0u, nodes[0]);
    ASSERT_OK(set_policy(MPOL_DEFAULT));
  });
}

TEST(MemoryPolicy, AThreadHasItsMakers) {
  NEEDS_NUMA();
  in_thread([] {
    ASSERT_OK(set_policy(MPOL_INTERLEAVE, kNode0));
    in_thread([] {
      int mode = -1;
      ASSERT_OK(get_policy(&mode));
      EXPECT_EQ(MPOL_INTERLEAVE, mode);
    });
  });
}

TEST(MemoryPolicy, ImpossibleOnes) {
  NEEDS_NUMA();
  EXPECT_ERRNO(EINVAL, set_policy(100, kNode0));
  EXPECT_ERRNO(EINVAL, set_policy(MPOL_DEFAULT, kNode0));
  EXPECT_ERRNO(EINVAL, set_policy(MPOL_BIND, kNoNode));
  EXPECT_ERRNO(EINVAL, set_policy(MPOL_BIND, kAbsentNode));
  EXPECT_ERRNO(EINVAL, set_policy(MPOL_LOCAL, kNode0));
  EXPECT_ERRNO(EINVAL, set_policy(MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES, kNode0));
  EXPECT_ERRNO(EINVAL, set_policy(MPOL_BIND, kNode0, 8 * kPage + 2));
  EXPECT_ERRNO(EFAULT, set_policy(MPOL_BIND, bad_pointer<unsigned long>()));
  int mode;
  EXPECT_ERRNO(EINVAL, get_policy(&mode, nullptr, &mode, 0));
  EXPECT_ERRNO(EINVAL, get_policy(&mode, nullptr, nullptr, 8));
  EXPECT_ERRNO(EINVAL, get_policy(&mode, nullptr, nullptr, MPOL_F_NODE)) << "not interleaved";
  EXPECT_ERRNO(EINVAL, get_policy(&mode, nullptr, nullptr, MPOL_F_MEMS_ALLOWED | MPOL_F_NODE));
}

TEST(MemoryPolicy, AllowedNodes) {
  NEEDS_NUMA();
  unsigned long nodes[16] = {};
  ASSERT_OK(get_policy(nullptr, nodes, nullptr, MPOL_F_MEMS_ALLOWED));
  EXPECT_TRUE(nodes[0] & 1);
}

TEST(MemoryPolicy, OfARange) {
  NEEDS_NUMA();
  const Mapping map(3);
  ASSERT_OK(bind_range(map.page(1), kPage, MPOL_BIND, kNode0));
  EXPECT_EQ(MPOL_DEFAULT, policy_at(map.page(0)));
  EXPECT_EQ(MPOL_BIND, policy_at(map.page(1)));
  EXPECT_EQ(MPOL_DEFAULT, policy_at(map.page(2)));
  ASSERT_OK(bind_range(map.page(0), 3 * kPage, MPOL_DEFAULT));
  EXPECT_EQ(MPOL_DEFAULT, policy_at(map.page(1)));
}

TEST(MemoryPolicy, ARangeWithoutOneHasTheDefault) {
  NEEDS_NUMA();
  in_thread([] {
    const Mapping map(1);
    unsigned long nodes[16] = {7};
    int mode = -1;
    ASSERT_OK(set_policy(MPOL_PREFERRED, kNode0));
    ASSERT_OK(get_policy(&mode, nodes, map.data(), MPOL_F_ADDR));
    EXPECT_EQ(MPOL_DEFAULT, mode);
    EXPECT_EQ(0u, nodes[0]) << "its task's is not told";
  });
}

TEST(MemoryPolicy, ImpossibleRanges) {
  NEEDS_NUMA();
  const Mapping map(3);
  munmap(map.page(1), kPage);
  EXPECT_ERRNO(EFAULT, bind_range(map.page(0), 3 * kPage, MPOL_BIND, kNode0)) << "a hole";
  EXPECT_ERRNO(EINVAL, bind_range(map.page(0) + 1, kPage, MPOL_BIND, kNode0));
  EXPECT_ERRNO(EINVAL, bind_range(map.page(0), kPage, MPOL_BIND, kNode0, 64));
  EXPECT_OK(bind_range(map.page(0), 0, MPOL_BIND, kNode0));
  int mode;
  EXPECT_ERRNO(EFAULT, get_policy(&mode, nullptr, map.page(1), MPOL_F_ADDR));
}

TEST(MemoryPolicy, TheNodeOfAPage) {
  NEEDS_NUMA();
  const Mapping map(1);
  ASSERT_OK(bind_range(map.data(), kPage, MPOL_BIND, kNode0));
  map[0] = 1;
  int node = -1;
  ASSERT_OK(get_policy(&node, nullptr, map.data(), MPOL_F_ADDR | MPOL_F_NODE));
  EXPECT_EQ(0, node);
}

TEST(MovePages, TellsWhereTheyAre) {
  NEEDS_NUMA();
  const Mapping map(3);
  ASSERT_OK(bind_range(map.data(), 2 * kPage, MPOL_BIND, kNode0));
  map[0] = 1;
  munmap(map.page(2), kPage);
  const void* pages[] = {map.page(0), map.page(1), map.page(2)};
  int status[] = {99, 99, 99};
  ASSERT_EQ(0, syscall(SYS_move_pages, 0, 3, pages, nullptr, status, 0));
  EXPECT_EQ(0, status[0]);
  EXPECT_EQ(-ENOENT, status[1]) << "never touched";
  EXPECT_EQ(-EFAULT, status[2]) << "not mapped";
}

TEST(MovePages, ToWhereTheyAre) {
  NEEDS_NUMA();
  const Mapping map(1);
  map[0] = 1;
  const void* pages[] = {map.page(0)};
  const int here[] = {0}, nowhere[] = {5000};
  int status[] = {99};
  ASSERT_EQ(0, syscall(SYS_move_pages, 0, 1, pages, here, status, MPOL_MF_MOVE));
  EXPECT_EQ(0, status[0]);
  EXPECT_ERRNO(ENODEV, syscall(SYS_move_pages, 0, 1, pages, nowhere, status, MPOL_MF_MOVE));
  EXPECT_ERRNO(EINVAL, syscall(SYS_move_pages, 0, 1, pages, here, status, 64));
  EXPECT_ERRNO(ESRCH, syscall(SYS_move_pages, 0x3fffffff, 1, pages, here, status, MPOL_MF_MOVE));
  EXPECT_ERRNO(EFAULT, syscall(SYS_move_pages, 0, 1, bad_pointer<void*>(), here, status, 0));
}

TEST(MigratePages, FromANodeToItself) {
  NEEDS_NUMA();
  EXPECT_OK(syscall(SYS_migrate_pages, 0, kBits, kNode0, kNode0));
  EXPECT_ERRNO(EINVAL, syscall(SYS_migrate_pages, 0, kBits, kNode0, kNoNode));
  EXPECT_ERRNO(ESRCH, syscall(SYS_migrate_pages, 0x3fffffff, kBits, kNode0, kNode0));
  EXPECT_ERRNO(EFAULT, syscall(SYS_migrate_pages, 0, kBits, bad_pointer<unsigned long>(), kNode0));
}

TEST(MemoryNodes, AreListed) {
  NEEDS_NUMA();
  EXPECT_EQ('0', read_file("/sys/devices/system/node/has_memory")[0]);
  const std::string memory = read_file("/sys/devices/system/node/node0/meminfo");
  EXPECT_EQ(0u, memory.rfind("Node 0 MemTotal:", 0)) << memory;
  EXPECT_EQ("10", read_file("/sys/devices/system/node/node0/distance").substr(0, 2));
}

}  // namespace
}  // namespace compat
