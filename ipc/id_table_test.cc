#include "ipc/id_table.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace narwhal::sysv {
namespace {

struct Thing : RefCounted {
  Entry entry;
};

class IdTableTest : public testing::Test {
 protected:
  static constexpr u32 kLimit = 100;
  i32 add(i32 key = abi::kIpcPrivate, u32 mode = 0600) {
    auto made = table_.add(make_ref<Thing>().take(), key, mode, *who_, kLimit, next_id_);
    return made.ok() ? made.value() : -i32(made.error());
  }
  void remove(i32 id) { table_.remove(*table_.find(id).value()); }
  Ref<Credentials> user(u32 uid, u32 gid) {
    auto who = make_ref<Credentials>().take();
    who->uid = who->euid = who->suid = who->fsuid = uid;
    who->gid = who->egid = who->sgid = who->fsgid = gid;
    who->effective = 0;
    return who;
  }

  IdTable<Thing> table_;
  Atomic<i32> next_id_{-1};
  Ref<Credentials> who_ = make_ref<Credentials>().take();
};

TEST_F(IdTableTest, ANumberCanBeAskedFor) {
  const i32 wanted = 5 * i32(IdAllocator::kMaxIds) + 7;
  next_id_.store(wanted);
  EXPECT_EQ(add(), wanted);
  EXPECT_EQ(next_id_.load(), -1) << "asked for once";
  EXPECT_EQ(add(), 0);
  next_id_.store(wanted);
  EXPECT_EQ(add(), wanted + 1) << "taken: the next one";
}

TEST_F(IdTableTest, FindsByNumberAndByKey) {
  const i32 one = add(11), two = add(22);
  EXPECT_EQ(table_.find(one).value()->entry.key, 11);
  EXPECT_EQ(table_.find_key(22), table_.find(two).value());
  EXPECT_EQ(table_.find_key(33), nullptr);
  EXPECT_TRUE(table_.find(-1).failed(Errno::kInval));
  EXPECT_TRUE(table_.find(one + i32(IdAllocator::kMaxIds)).failed(Errno::kInval));
  EXPECT_EQ(table_.in_use(), 2u);
  EXPECT_EQ(table_.highest(), 1);
}

TEST_F(IdTableTest, PrivateObjectsHaveNoKey) {
  add(abi::kIpcPrivate);
  EXPECT_EQ(table_.find_key(abi::kIpcPrivate), nullptr);
}

TEST_F(IdTableTest, NumbersAreNotGivenTwiceSoon) {
  std::set<i32> seen;
  for (int i = 0; i < 5000; ++i) {
    const i32 id = add();
    EXPECT_TRUE(seen.insert(id).second) << id;
    remove(id);
  }
}

TEST_F(IdTableTest, IndicesGoAroundAmongSixtyFour) {
  for (i32 i = 0; i < 64; ++i) {
    const i32 id = add();
    EXPECT_EQ(id, i);
    remove(id);
  }
  EXPECT_EQ(add(), i32(IdAllocator::kMaxIds));
}

TEST_F(IdTableTest, HoldsUpToTheLimit) {
  std::vector<i32> ids;
  for (u32 i = 0; i < kLimit; ++i) ids.push_back(add());
  for (const i32 id : ids) EXPECT_GE(id, 0);
  EXPECT_EQ(add(), -i32(Errno::kNoSpc));
  remove(ids[50]);
  EXPECT_GE(add(), 0);
}

TEST_F(IdTableTest, RemovedNumbersAreGone) {
  const i32 id = add(5);
  Ref<Thing> kept(table_.find(id).value());
  remove(id);
  EXPECT_TRUE(kept->entry.removed);
  EXPECT_TRUE(table_.find(id).failed(Errno::kInval));
  EXPECT_EQ(table_.find_key(5), nullptr);
  EXPECT_EQ(table_.at(0), nullptr);
}

TEST_F(IdTableTest, GetFollowsTheFlags) {
  const auto get = [&](i32 key, u32 flags) {
    auto got = sysv::get(
        table_, {*who_, 1}, key, flags, [](Thing&) { return Result<>(); },
        [&]() -> Result<i32> { return add(key, flags); });
    return got.ok() ? got.value() : -i32(got.error());
  };
  EXPECT_EQ(get(7, 0600), -i32(Errno::kNoEnt));
  const i32 id = get(7, abi::kIpcCreate | 0600);
  EXPECT_GE(id, 0);
  EXPECT_EQ(get(7, 0), id);
  EXPECT_EQ(get(7, abi::kIpcCreate), id);
  EXPECT_EQ(get(7, abi::kIpcCreate | abi::kIpcExclusive), -i32(Errno::kExist));
  EXPECT_NE(get(abi::kIpcPrivate, 0600), get(abi::kIpcPrivate, 0600));
}

TEST_F(IdTableTest, AccessByOwnerGroupAndOthers) {
  Entry entry;
  entry.uid = 1;
  entry.cuid = 2;
  entry.gid = 10;
  entry.cgid = 20;
  entry.mode = 0640;
  EXPECT_TRUE(check_access(entry, *user(1, 99), kRead | kWrite).ok());
  EXPECT_TRUE(check_access(entry, *user(2, 99), kRead | kWrite).ok());
  EXPECT_TRUE(check_access(entry, *user(3, 10), kRead).ok());
  EXPECT_TRUE(check_access(entry, *user(3, 20), kRead).ok());
  EXPECT_TRUE(check_access(entry, *user(3, 10), kWrite).failed(Errno::kAcces));
  EXPECT_TRUE(check_access(entry, *user(3, 99), kRead).failed(Errno::kAcces));
  EXPECT_TRUE(check_access(entry, *who_, kRead | kWrite).ok());
  EXPECT_TRUE(check_owner(entry, *user(2, 99)).ok());
  EXPECT_TRUE(check_owner(entry, *user(3, 10)).failed(Errno::kPerm));
}

}  // namespace
}  // namespace narwhal::sysv
