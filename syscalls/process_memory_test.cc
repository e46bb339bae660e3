// process_vm_readv(2), process_vm_writev(2), unshare(2).
#include <gtest/gtest.h>

#include "kernel/abi/uio.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kPause = 34,
  kKill = 62,
  kUmask = 95,
  kSetUid = 105,
  kUnshare = 272,
  kReadMemory = 310,
  kWriteMemory = 311,
};

constexpr i64 failure(Errno error) {
  return -i64(error);
}
void end(i32 child) {
  call(kKill, u64(child), u64(Signal::kKill));
  wait_for(child);
}
template <usize kCount>
UserAddr vectors(const abi::IoVec (&pieces)[kCount]) {
  struct Array {
    abi::IoVec pieces[kCount];
  } array;
  for (usize i = 0; i < kCount; ++i) array.pieces[i] = pieces[i];
  return put(array);
}

// A child whose memory is a copy of ours as it is now, and stays so.
class OtherMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    for (u32 i = 0; i < 16; ++i) store_user(there_ + 4 * i, 100 + i).ignore();
    child_ = fork([] { call(kPause); });
    for (u32 i = 0; i < 16; ++i) store_user(there_ + 4 * i, u32{0}).ignore();
  }
  void TearDown() override { end(child_); }
  i64 transfer(u64 number, UserAddr local, u64 locals, UserAddr remote, u64 remotes,
               u64 flags = 0) {
    return call(number, u64(child_), local.value, locals, remote.value, remotes, flags);
  }

  const UserAddr there_ = memory();
  const UserAddr here_ = memory();
  i32 child_ = 0;
};

TEST_F(OtherMemory, PiecesOfBothSidesNeedNotMatch) {
  const UserAddr local = vectors({{here_.value, 12}, {0, 0}, {here_.value + 32, 8}});
  const UserAddr remote = vectors({{there_.value + 4, 4}, {there_.value + 16, 40}});
  EXPECT_EQ(transfer(kReadMemory, local, 3, remote, 2), 20);
  EXPECT_EQ(look<u32>(here_), 101u);
  EXPECT_EQ(look<u32>(here_ + 4), 104u);
  EXPECT_EQ(look<u32>(here_ + 8), 105u);
  EXPECT_EQ(look<u32>(here_ + 12), 0u);
  EXPECT_EQ(look<u32>(here_ + 32), 106u);
  EXPECT_EQ(look<u32>(here_ + 36), 107u);
}

TEST_F(OtherMemory, WhatIsWrittenIsReadBack) {
  store_user(here_, u64{0x1122'3344'5566'7788}).ignore();
  const UserAddr local = vectors({{here_.value, 8}}), remote = vectors({{there_.value, 8}});
  EXPECT_EQ(transfer(kWriteMemory, local, 1, remote, 1), 8);
  EXPECT_EQ(look<u64>(there_), 0u);
  store_user(here_, u64{0}).ignore();
  EXPECT_EQ(transfer(kReadMemory, local, 1, remote, 1), 8);
  EXPECT_EQ(look<u64>(here_), 0x1122'3344'5566'7788u);
}

TEST_F(OtherMemory, ATransferEndsWhereMemoryDoes) {
  const UserAddr local = vectors({{here_.value, 16}});
  const UserAddr partly = vectors({{there_.value, 8}, {kNowhere.value, 8}});
  const UserAddr nowhere = vectors({{kNowhere.value, 8}});
  EXPECT_EQ(transfer(kReadMemory, local, 1, partly, 2), 8);
  EXPECT_EQ(transfer(kReadMemory, local, 1, nowhere, 1), failure(Errno::kFault));
  EXPECT_EQ(transfer(kWriteMemory, nowhere, 1, partly, 1), failure(Errno::kFault));
}

TEST_F(OtherMemory, WhatIsRefused) {
  const UserAddr one = vectors({{here_.value, 8}}), negative = vectors({{here_.value, ~u64{0}}});
  EXPECT_EQ(transfer(kReadMemory, one, 1, one, 1, 1), failure(Errno::kInval));
  EXPECT_EQ(transfer(kReadMemory, one, 1025, one, 1), failure(Errno::kInval));
  EXPECT_EQ(transfer(kReadMemory, negative, 1, one, 1), failure(Errno::kInval));
  EXPECT_EQ(transfer(kReadMemory, one, 1, kNowhere, 1), failure(Errno::kFault));
  EXPECT_EQ(transfer(kReadMemory, one, 0, kNowhere, 1), 0);
  EXPECT_EQ(transfer(kReadMemory, one, 1, one, 0), 0);
  EXPECT_EQ(call(kReadMemory, 399'999, one.value, 1, one.value, 1, 0), failure(Errno::kSrch));
  const i32 stranger = fork([&] {
    call(kSetUid, 1000);
    EXPECT_EQ(transfer(kReadMemory, one, 1, one, 1), failure(Errno::kPerm));
  });
  EXPECT_EQ(wait_for(stranger), 0);
}

// --- unshare

TEST(Unshare, DirectoriesAndMasks) {
  call(kUmask, 022);
  start_thread([] {
    call(kUmask, 077);
    EXPECT_EQ(call(kUnshare, 0x200), 0);  // CLONE_FS
    call(kUmask, 0);
  });
  let_others_run();
  EXPECT_EQ(call(kUmask, 022), 077);
}

TEST(Unshare, Descriptors) {
  FdTable& shared = current_task().files();
  bool same_before = false, same_after = true;
  start_thread([&] {
    same_before = &current_task().files() == &shared;
    EXPECT_EQ(call(kUnshare, 0x400), 0);  // CLONE_FILES
    same_after = &current_task().files() == &shared;
  });
  let_others_run();
  EXPECT_TRUE(same_before);
  EXPECT_FALSE(same_after);
}

TEST(Unshare, WhatIsRefused) {
  constexpr u64 kVm = 0x100, kSigHand = 0x800, kThread = 0x10000, kNewUts = 0x4000000;
  EXPECT_EQ(call(kUnshare, 0), 0);
  EXPECT_EQ(call(kUnshare, kThread | kVm | kSigHand), 0);
  EXPECT_EQ(call(kUnshare, kNewUts), failure(Errno::kInval));
  EXPECT_EQ(call(kUnshare, 1), failure(Errno::kInval));
  start_thread([] {
    for (const u64 flag : {kVm, kSigHand, kThread})
      EXPECT_EQ(call(kUnshare, flag), failure(Errno::kInval)) << std::hex << flag;
  });
  let_others_run();
}

}  // namespace
}  // namespace narwhal
