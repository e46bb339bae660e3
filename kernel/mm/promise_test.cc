#include "kernel/mm/promise.h"

#include "kernel/mm/testing/address_space.h"

namespace narwhal {
namespace {

TEST_F(AddressSpaceTest, PrivateWritableMemoryIsPromised) {
  const u64 before = promised_pages();
  const auto promised = [&] { return promised_pages() - before; };
  const UserAddr at = map(*space, 8 * kPageSize);
  EXPECT_EQ(promised(), 8u);
  ASSERT_TRUE(space->unmap(at + 2 * kPageSize, 3 * kPageSize).ok());
  EXPECT_EQ(promised(), 5u);
  // Once it could be written, it stays charged; what could not, is not.
  ASSERT_TRUE(space->protect(at, kPageSize, Protection::kRead).ok());
  EXPECT_EQ(promised(), 5u);
  MapRequest request;
  request.length = 4 * kPageSize;
  request.protection = Protection::kRead;
  request.flags = MapFlags::kPrivate;
  const UserAddr constant = space->map(request).take();
  map(*space, 16 * kPageSize, UserAddr(), MapFlags::kPrivate | MapFlags::kNoReserve);
  EXPECT_EQ(promised(), 5u);
  ASSERT_TRUE(space->protect(constant, 2 * kPageSize, kReadWrite).ok());
  EXPECT_EQ(promised(), 7u);
  auto moved = space->remap(constant, 2 * kPageSize, 6 * kPageSize, abi::kRemapMayMove, UserAddr());
  ASSERT_TRUE(moved.ok());
  EXPECT_EQ(promised(), 11u);
  auto child = space->clone().take();
  EXPECT_EQ(promised(), 22u);
  child = nullptr;
  EXPECT_EQ(promised(), 11u);
  space = nullptr;
  EXPECT_EQ(promised(), 0u);
}

TEST_F(AddressSpaceTest, WithoutOvercommittingPromisesHaveALimit) {
  set_overcommit_policy(Overcommit::kNever);
  const u64 room = promise_limit() - promised_pages();
  MapRequest request;
  request.length = (room - 8) * kPageSize;
  request.protection = kReadWrite;
  request.flags = MapFlags::kPrivate | MapFlags::kNoReserve;  // which nobody believes now
  const UserAddr large = space->map(request).take();
  EXPECT_EQ(space->clone().error(), Errno::kNoMem);
  request.length = 9 * kPageSize;
  EXPECT_EQ(space->map(request).error(), Errno::kNoMem);
  request.protection = Protection::kRead;
  const UserAddr constant = space->map(request).take();
  EXPECT_EQ(space->protect(constant, request.length, kReadWrite).error(), Errno::kNoMem);
  EXPECT_EQ(space->remap(large, kPageSize, 10 * kPageSize, abi::kRemapMayMove, UserAddr()).error(),
            Errno::kNoMem);
  space->set_heap_start(UserAddr(0x1000'0000));
  EXPECT_EQ(space->set_break(UserAddr(0x1000'0000 + 9 * kPageSize)), UserAddr(0x1000'0000));
  EXPECT_EQ(space->set_break(UserAddr(0x1000'0000 + 8 * kPageSize)).value,
            0x1000'0000 + 8 * kPageSize);
  ASSERT_TRUE(space->unmap(large, (room - 8) * kPageSize).ok());
  EXPECT_TRUE(space->clone().ok());
  set_overcommit_policy(Overcommit::kHeuristic);
}

}  // namespace
}  // namespace narwhal
