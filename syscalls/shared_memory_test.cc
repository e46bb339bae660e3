// Segments through system calls. compat_tests/ipc has the rules; here are the races and the ends
// that only a test inside the kernel sees.
#include "ipc/shared_memory.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;  // NOLINT: the program's own words

constexpr u64 kCreate = abi::kIpcCreate | 0600;

u64 attachments(i64 id) {
  const UserAddr status = memory(sizeof(abi::ShmStatus));
  EXPECT_EQ(call(SYS_shmctl, u64(id), u64(abi::kIpcStat), status.value), 0);
  return look<abi::ShmStatus>(status).attachments;
}

TEST(SharedMemoryTest, AttachmentsComeAndGoWithMappings) {
  const i64 id = call(SYS_shmget, 0, 3 * kPageSize, kCreate);
  ASSERT_GE(id, 0);
  const i64 at = call(SYS_shmat, u64(id), 0, 0);
  ASSERT_GT(at, 0);
  EXPECT_EQ(attachments(id), 1u);
  EXPECT_EQ(call(SYS_munmap, u64(at) + kPageSize, kPageSize), 0);
  EXPECT_EQ(attachments(id), 2u);
  EXPECT_EQ(call(SYS_shmdt, u64(at)), 0);
  EXPECT_EQ(attachments(id), 0u);
  EXPECT_EQ(call(SYS_shmctl, u64(id), u64(abi::kIpcRemove), 0), 0);
}

TEST(SharedMemoryTest, ProcessesShareTheBytesAndDetachWhenTheyEnd) {
  const i64 id = call(SYS_shmget, 0, kPageSize, kCreate);
  const u64 at = u64(call(SYS_shmat, u64(id), 0, 0));
  const i32 child = fork([&] {
    EXPECT_EQ(attachments(id), 2u);
    EXPECT_TRUE(store_user(UserAddr(at), u32{42}).ok());
  });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(look<u32>(UserAddr(at)), 42u);
  EXPECT_EQ(attachments(id), 1u);
  // Marked, it goes with the last mapping.
  EXPECT_EQ(call(SYS_shmctl, u64(id), u64(abi::kIpcRemove), 0), 0);
  EXPECT_EQ(call(SYS_munmap, at, kPageSize), 0);
  EXPECT_EQ(call(SYS_shmdt, at), -i64(Errno::kInval));
  EXPECT_EQ(call(SYS_shmat, u64(id), 0, 0), -i64(Errno::kInval));
  EXPECT_EQ(sysv::SharedMemory::usage().used_ids, 0);
  EXPECT_EQ(sysv::SharedMemory::usage().total, 0u);
}

TEST(SharedMemoryTest, AFailedAttachmentLeavesNothing) {
  const i64 id = call(SYS_shmget, 0, kPageSize, kCreate);
  const u64 taken = u64(call(SYS_shmat, u64(id), 0, 0));
  EXPECT_EQ(call(SYS_shmat, u64(id), taken, 0), -i64(Errno::kInval));
  EXPECT_EQ(attachments(id), 1u);
  EXPECT_EQ(call(SYS_shmctl, u64(id), u64(abi::kIpcRemove), 0), 0);
  EXPECT_EQ(call(SYS_shmdt, taken), 0);
  EXPECT_EQ(sysv::SharedMemory::usage().used_ids, 0);
}

TEST(SharedMemoryTest, TheTotalHasALimit) {
  const u64 before = sysv::SharedMemory::max_pages.load();
  sysv::SharedMemory::max_pages.store(4);
  const i64 id = call(SYS_shmget, 0, 3 * kPageSize, kCreate);
  EXPECT_GE(id, 0);
  EXPECT_EQ(call(SYS_shmget, 0, 2 * kPageSize, kCreate), -i64(Errno::kNoSpc));
  EXPECT_EQ(call(SYS_shmctl, u64(id), u64(abi::kIpcRemove), 0), 0);
  const i64 again = call(SYS_shmget, 0, 4 * kPageSize, kCreate);
  EXPECT_GE(again, 0);
  EXPECT_EQ(call(SYS_shmctl, u64(again), u64(abi::kIpcRemove), 0), 0);
  sysv::SharedMemory::max_pages.store(before);
}

}  // namespace
}  // namespace narwhal
