#include "kernel/base/ordered_tree.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>

namespace narwhal {
namespace {

struct Item {
  TreeNode node;
  u64 key = 0;
  u64 weight = 0;
  u64 heaviest = 0;  // in the subtree
};
struct ByKey {
  static u64 key(const Item& item) { return item.key; }
  static void update(Item& item, const Item* left, const Item* right) {
    item.heaviest = item.weight;
    for (const Item* child : {left, right})
      if (child) item.heaviest = std::max(item.heaviest, child->heaviest);
  }
};
using Tree = OrderedTree<Item, &Item::node, ByKey>;

// Checks order, balance, parents and what update() computed; returns the height.
int check(const Tree& tree, const Item* item, u64 low, u64 high) {
  if (!item) return 0;
  EXPECT_GE(item->key, low);
  EXPECT_LE(item->key, high);
  const Item* left = Tree::left(*item);
  const Item* right = Tree::right(*item);
  if (left) EXPECT_EQ(left->node.parent, &item->node);
  if (right) EXPECT_EQ(right->node.parent, &item->node);
  const int l = check(tree, left, low, item->key - 1);
  const int r = check(tree, right, item->key + 1, high);
  EXPECT_LE(std::abs(l - r), 1);
  EXPECT_EQ(item->node.height, std::max(l, r) + 1);
  u64 heaviest = item->weight;
  if (left) heaviest = std::max(heaviest, left->heaviest);
  if (right) heaviest = std::max(heaviest, right->heaviest);
  EXPECT_EQ(item->heaviest, heaviest);
  return item->node.height;
}

TEST(OrderedTree, Empty) {
  Tree tree;
  EXPECT_TRUE(tree.empty());
  EXPECT_EQ(tree.first(), nullptr);
  EXPECT_EQ(tree.last(), nullptr);
  EXPECT_EQ(tree.at_or_above(0), nullptr);
  EXPECT_EQ(tree.at_or_below(~u64{0}), nullptr);
}

TEST(OrderedTree, InOrderInsertionStaysFlat) {
  Tree tree;
  std::vector<std::unique_ptr<Item>> items;
  for (u64 key = 1; key <= 1000; ++key) {
    items.push_back(std::make_unique<Item>());
    items.back()->key = key;
    tree.insert(*items.back());
  }
  EXPECT_LE(check(tree, tree.root(), 1, 1000), 14);  // 1.44 log2(1000)
  for (auto& item : items) tree.remove(*item);
  EXPECT_TRUE(tree.empty());
}

TEST(OrderedTree, AgreesWithMapUnderRandomUse) {
  Tree tree;
  std::map<u64, std::unique_ptr<Item>> model;
  std::mt19937_64 random(42);
  for (int step = 0; step < 20000; ++step) {
    const u64 key = 1 + random() % 300;
    auto found = model.find(key);
    switch (random() % 3) {
      case 0:
        if (found == model.end()) {
          auto item = std::make_unique<Item>();
          item->key = key;
          item->weight = random() % 1000;
          tree.insert(*item);
          model[key] = std::move(item);
        }
        break;
      case 1:
        if (found != model.end()) {
          tree.remove(*found->second);
          EXPECT_FALSE(found->second->node.linked());
          model.erase(found);
        }
        break;
      case 2:
        if (found != model.end()) {
          found->second->weight = random() % 1000;
          tree.refresh(*found->second);
        }
        break;
    }
    const u64 probe = random() % 302;
    auto above = model.lower_bound(probe);
    EXPECT_EQ(tree.at_or_above(probe), above == model.end() ? nullptr : above->second.get());
    auto below = model.upper_bound(probe);
    EXPECT_EQ(tree.at_or_below(probe),
              below == model.begin() ? nullptr : std::prev(below)->second.get());
    if (step % 100 != 0) continue;
    check(tree, tree.root(), 1, 300);
    Item* item = tree.first();
    for (auto& [_, expected] : model) {
      ASSERT_EQ(item, expected.get());
      item = tree.next(*item);
    }
    EXPECT_EQ(item, nullptr);
    item = tree.last();
    for (auto at = model.rbegin(); at != model.rend(); ++at) {
      ASSERT_EQ(item, at->second.get());
      item = tree.previous(*item);
    }
    EXPECT_EQ(item, nullptr);
    ASSERT_FALSE(HasFailure());
  }
  for (auto& [_, item] : model) tree.remove(*item);
}

}  // namespace
}  // namespace narwhal
