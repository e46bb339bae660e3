// Ref, Own, make_ref.
#include <gtest/gtest.h>

#include "kernel/base/ref.h"

namespace narwhal {
namespace {

class Thing : public RefCounted {
 public:
  explicit Thing(int* alive) : alive_(alive) { ++*alive_; }
  ~Thing() override { --*alive_; }

 private:
  int* alive_;
};
class SpecialThing final : public Thing {
 public:
  using Thing::Thing;
  int extra = 5;
};

TEST(Ref, LastOneDeletes) {
  int alive = 0;
  {
    Ref<Thing> first = make_ref<Thing>(&alive).take();
    EXPECT_EQ(first->ref_count(), 1u);
    Ref<Thing> second = first;
    EXPECT_EQ(first->ref_count(), 2u);
    first = nullptr;
    EXPECT_EQ(alive, 1);
    Ref<Thing> third = std::move(second);
    EXPECT_FALSE(second);
    EXPECT_EQ(third->ref_count(), 1u);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Ref, SelfAssignmentIsHarmless) {
  int alive = 0;
  Ref<Thing> ref = make_ref<Thing>(&alive).take();
  Ref<Thing>& same = ref;
  ref = same;
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(ref->ref_count(), 1u);
}

TEST(Ref, ConvertsToBaseAndBack) {
  int alive = 0;
  {
    Ref<Thing> base = make_ref<SpecialThing>(&alive).take();
    EXPECT_EQ(base->ref_count(), 1u);
    Ref<SpecialThing> special = static_ref_cast<SpecialThing>(base);
    EXPECT_EQ(special->extra, 5);
    EXPECT_EQ(base->ref_count(), 2u);
    EXPECT_TRUE(base == special.get());
  }
  EXPECT_EQ(alive, 0);
}

TEST(Ref, AdoptAndReleasePassTheCount) {
  int alive = 0;
  Thing* raw = make_ref<Thing>(&alive).take().release();
  EXPECT_EQ(alive, 1);
  Ref<Thing>::adopt(raw);
  EXPECT_EQ(alive, 0);
}

class Revivable final : public RefCounted {
 public:
  explicit Revivable(int* dropped) : dropped_(dropped) {}
  void last_ref_dropped() override {
    ++*dropped_;
    EXPECT_FALSE(try_add_ref());  // a table that finds it now must not take it
    delete this;
  }

 private:
  ~Revivable() override = default;
  int* dropped_;
};

TEST(Ref, TryAddRefFailsOnceDead) {
  int dropped = 0;
  Ref<Revivable> ref = make_ref<Revivable>(&dropped).take();
  EXPECT_TRUE(ref->try_add_ref());
  ref->drop_ref();
  EXPECT_EQ(dropped, 0);
  ref = nullptr;
  EXPECT_EQ(dropped, 1);
}

TEST(Own, OneOwner) {
  int alive = 0;
  struct Plain {
    explicit Plain(int* a) : alive(a) { ++*alive; }
    ~Plain() { --*alive; }
    int* alive;
  };
  {
    Own<Plain> first = make_own<Plain>(&alive).take();
    Own<Plain> second = std::move(first);
    EXPECT_FALSE(first);
    EXPECT_EQ(alive, 1);
    second = make_own<Plain>(&alive).take();
    EXPECT_EQ(alive, 1);
    delete second.release();
    EXPECT_EQ(alive, 0);
    second = nullptr;
  }
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace narwhal
