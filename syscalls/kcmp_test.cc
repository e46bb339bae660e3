// kcmp(2), as programs see it.
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

constexpr u64 kFile = 0, kMemory = 1, kFiles = 2, kFsContext = 3, kHandlers = 4, kIo = 5,
              kSemaphores = 6, kEpoll = 7;
constexpr u64 kShareMemory = 0x100, kShareFsContext = 0x200, kShareFiles = 0x400;  // CLONE_*

constexpr i64 failure(Errno error) {
  return -i64(error);
}
i64 compare(i64 pid1, i64 pid2, u64 type, u64 index1 = 0, u64 index2 = 0) {
  return call(SYS_kcmp, u64(pid1), u64(pid2), type, index1, index2);
}
i64 self() {
  return call(SYS_getpid);
}
i32 sleeper(u64 flags) {
  return fork_with(flags, UserAddr(), [] { call(SYS_pause); });
}
void end(i32 child) {
  call(SYS_kill, u64(child), u64(Signal::kKill));
  wait_for(child);
}

TEST(Kcmp, FilesAreTheSameByDescriptionNotByNumber) {
  const i64 fd = call(SYS_eventfd2, 0, 0), other = call(SYS_eventfd2, 0, 0);
  const i64 copy = call(SYS_dup, u64(fd));
  EXPECT_EQ(compare(self(), self(), kFile, u64(fd), u64(copy)), 0);
  const i64 order = compare(self(), self(), kFile, u64(fd), u64(other));
  EXPECT_TRUE(order == 1 || order == 2) << order;
  EXPECT_EQ(compare(self(), self(), kFile, u64(other), u64(copy)), 3 - order);
  EXPECT_EQ(compare(self(), self(), kFile, u64(fd), 999), failure(Errno::kBadF));
  EXPECT_EQ(compare(self(), self(), kFile, u64{1} << 40, u64(fd)), failure(Errno::kBadF));
  for (const i64 each : {fd, other, copy}) call(SYS_close, u64(each));
}

TEST(Kcmp, WhatCloneSharedIsTheSame) {
  const i32 apart = sleeper(0);
  for (const u64 type : {kMemory, kFiles, kFsContext, kHandlers})
    EXPECT_GT(compare(self(), apart, type), 0) << type;
  for (const u64 type : {kIo, kSemaphores}) EXPECT_EQ(compare(self(), apart, type), 0) << type;
  end(apart);
  const i32 sharing = sleeper(kShareMemory | kShareFsContext | kShareFiles);
  for (const u64 type : {kMemory, kFiles, kFsContext})
    EXPECT_EQ(compare(self(), sharing, type), 0) << type;
  EXPECT_GT(compare(self(), sharing, kHandlers), 0);
  end(sharing);
}

TEST(Kcmp, Errors) {
  EXPECT_EQ(compare(self(), 4711, kMemory), failure(Errno::kSrch));
  EXPECT_EQ(compare(0, self(), kMemory), failure(Errno::kSrch));
  EXPECT_EQ(compare(-1, self(), kMemory), failure(Errno::kSrch));
  EXPECT_EQ(compare(self(), self(), kEpoll), failure(Errno::kOpNotSupp));
  EXPECT_EQ(compare(self(), self(), 8), failure(Errno::kInval));
  EXPECT_EQ(compare(self(), self(), ~u64{0}), failure(Errno::kInval));
  const i64 parent = self();
  const i32 stranger = fork([parent] {
    call(SYS_setuid, 1000);
    EXPECT_EQ(compare(self(), parent, kMemory), failure(Errno::kPerm));
    EXPECT_EQ(compare(self(), parent, 8), failure(Errno::kPerm));
  });
  EXPECT_EQ(wait_for(stranger), 0);
}

}  // namespace
}  // namespace narwhal
