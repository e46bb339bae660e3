// Record locks against a model that notes for each byte who holds it and how.
#include "fs/core/file_lock.h"

#include <map>
#include <random>
#include <string>

#include "fs/testing/file_tree.h"

namespace narwhal {
namespace {

using Request = FileLockList::Request;
using Type = Request::Type;
using Kind = FileLock::Kind;

class FileLockTest : public testing::FileTree {
 protected:
  static constexpr usize kBytes = 24;
  static constexpr int kOwners = 3;

  Request request(int owner, Type type, u64 start, u64 last, Kind kind = Kind::kDescription) {
    Request made;
    made.kind = kind;
    made.owner = &owners_[owner];
    made.pid = owner + 1;
    made.type = type;
    made.start = start;
    made.last = last;
    return made;
  }
  Errno apply(const Request& wanted, bool will_wait = false) {
    return locks_.apply(wanted, will_wait).error();
  }

  FileLockList locks_;
  char owners_[kOwners] = {};
};

TEST_F(FileLockTest, LikeTheModel) {
  std::mt19937 random(12345);
  const auto pick = [&](u64 n) { return std::uniform_int_distribution<u64>(0, n - 1)(random); };
  // ' ': free, 's': shared, 'x': exclusive; for each owner.
  std::string model[kOwners];
  for (auto& bytes : model) bytes.assign(kBytes, ' ');
  for (int step = 0; step < 20'000; ++step) {
    const int owner = int(pick(kOwners));
    const Type type = Type(pick(3));
    const u64 start = pick(kBytes), last = start + pick(kBytes - start);
    bool conflict = false;
    u64 first_conflict = ~u64{0};
    for (int other = 0; other < kOwners; ++other)
      for (u64 i = start; i <= last && other != owner; ++i) {
        const char held = model[other][i];
        const bool excludes = held == 'x' || (held == 's' && type == Type::kExclusive);
        if (!excludes || type == Type::kUnlock) continue;
        conflict = true;
        first_conflict = std::min(first_conflict, i);
      }
    const Request wanted = request(owner, type, start, last);
    FileLockList::Holder holder;
    ASSERT_EQ(locks_.find_conflict(wanted, holder), conflict) << step;
    if (conflict) {
      ASSERT_LE(holder.start, last);
      ASSERT_GE(holder.last, start);
      ASSERT_LE(holder.start, first_conflict) << step;
      // The whole range that is told of is held so by one owner, and no more than that.
      const std::string& held = model[holder.pid - 1];
      for (u64 i = holder.start; i <= holder.last; ++i)
        ASSERT_EQ(held[i], holder.exclusive ? 'x' : 's') << step;
      if (holder.start > 0) ASSERT_NE(held[holder.start - 1], held[holder.start]);
      if (holder.last + 1 < kBytes) ASSERT_NE(held[holder.last + 1], held[holder.last]);
    }
    ASSERT_EQ(apply(wanted), conflict ? Errno::kAgain : Errno{}) << step;
    if (conflict) continue;
    const char mark = type == Type::kUnlock ? ' ' : type == Type::kShared ? 's' : 'x';
    for (u64 i = start; i <= last; ++i) model[owner][i] = mark;
    if (step % 1000 == 0) {
      locks_.release_all(Kind::kDescription, &owners_[owner]);
      model[owner].assign(kBytes, ' ');
    }
  }
}

TEST_F(FileLockTest, ToTheEndOfAllFiles) {
  ASSERT_EQ(apply(request(0, Type::kExclusive, 10, FileLock::kToEnd)), Errno{});
  EXPECT_EQ(apply(request(1, Type::kShared, FileLock::kToEnd, FileLock::kToEnd)), Errno::kAgain);
  ASSERT_EQ(apply(request(0, Type::kUnlock, 20, FileLock::kToEnd)), Errno{});
  EXPECT_EQ(apply(request(1, Type::kShared, 20, FileLock::kToEnd)), Errno{});
  FileLockList::Holder holder;
  ASSERT_TRUE(locks_.find_conflict(request(1, Type::kShared, 0, FileLock::kToEnd), holder));
  EXPECT_EQ(holder.start, 10u);
  EXPECT_EQ(holder.last, 19u);
}

TEST_F(FileLockTest, ProcessesAndDescriptionsExcludeEachOther) {
  ASSERT_EQ(apply(request(0, Type::kExclusive, 0, 9, Kind::kProcess)), Errno{});
  EXPECT_EQ(apply(request(0, Type::kExclusive, 5, 5, Kind::kDescription)), Errno::kAgain);
  // flock(2) is a world of its own.
  EXPECT_EQ(apply(request(1, Type::kExclusive, 0, 9, Kind::kWhole)), Errno{});
  EXPECT_EQ(apply(request(2, Type::kShared, 0, 9, Kind::kWhole)), Errno::kAgain);
  EXPECT_EQ(apply(request(1, Type::kShared, 0, 9, Kind::kWhole)), Errno{});
  EXPECT_EQ(apply(request(2, Type::kShared, 0, 9, Kind::kWhole)), Errno{});
  EXPECT_EQ(apply(request(2, Type::kExclusive, 0, 9, Kind::kWhole)), Errno::kAgain);
  // The attempt gave up the shared lock, as on Linux.
  EXPECT_EQ(apply(request(1, Type::kExclusive, 0, 9, Kind::kWhole)), Errno{});
}

TEST_F(FileLockTest, CirclesOfWaitersAreFound) {
  const auto lock = [&](int owner, u64 at) {
    return apply(request(owner, Type::kExclusive, at, at, Kind::kProcess), true);
  };
  for (int i = 0; i < kOwners; ++i) ASSERT_EQ(lock(i, u64(i)), Errno{});
  EXPECT_EQ(lock(0, 1), Errno::kAgain);
  EXPECT_EQ(lock(1, 2), Errno::kAgain);
  EXPECT_EQ(lock(2, 0), Errno::kDeadLk);
  // When one gives up waiting, the circle is open.
  FileLockList::stop_waiting(&owners_[0]);
  EXPECT_EQ(lock(2, 0), Errno::kAgain);
  for (const char& owner : owners_) FileLockList::stop_waiting(&owner);
}

}  // namespace
}  // namespace narwhal
