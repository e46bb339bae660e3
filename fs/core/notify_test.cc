#include "fs/core/notify.h"

#include <gtest/gtest.h>

namespace narwhal {
namespace {

// Wants one event; when it is taken off, it may take another one off, as another thread could.
class OneShot final : public Watch {
 public:
  bool on_event(u32, u32, std::string_view) override { return false; }
  void removed() override {
    if (list && other) other_was_there = list->remove(*other);
  }
  WatchList* list = nullptr;
  Watch* other = nullptr;
  bool other_was_there = false;
};

TEST(WatchList, WhatIsBeingTakenOffIsNotTakenOffTwice) {
  WatchList list;
  auto first = make_ref<OneShot>().take(), second = make_ref<OneShot>().take();
  first->list = &list;
  first->other = second.get();
  list.add(*first);
  list.add(*second);
  EXPECT_EQ(second->ref_count(), 2u);
  list.send(notify::kModify, 0, {});
  EXPECT_FALSE(first->other_was_there);
  EXPECT_EQ(second->ref_count(), 1u);
  EXPECT_EQ(first->ref_count(), 1u);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(notify::watch_count.load(), 0u);
}

TEST(WatchList, RemoveSaysWhetherItWasThere) {
  WatchList list;
  auto watch = make_ref<OneShot>().take();
  EXPECT_FALSE(list.remove(*watch));
  list.add(*watch);
  EXPECT_TRUE(list.remove(*watch));
  EXPECT_FALSE(list.remove(*watch));
}

}  // namespace
}  // namespace narwhal
