// List, HashTable, Vector, String.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include "kernel/base/hash_table.h"
#include "kernel/base/list.h"
#include "kernel/base/string.h"
#include "kernel/base/vector.h"

namespace narwhal {
namespace {

struct Item {
  explicit Item(int v) : value(v) {}
  int value;
  ListNode node;
  ListNode other_node;
};
using ItemList = List<Item, &Item::node>;

std::vector<int> values(ItemList& list) {
  std::vector<int> out;
  for (Item& item : list) out.push_back(item.value);
  return out;
}

TEST(List, OrderAndUnlinking) {
  Item a(1), b(2), c(3), d(4);
  ItemList list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.pop_front(), nullptr);
  list.push_back(b);
  list.push_front(a);
  list.push_back(d);
  list.insert_before(d, c);
  EXPECT_EQ(values(list), (std::vector{1, 2, 3, 4}));
  EXPECT_EQ(list.next(a), &b);
  EXPECT_EQ(list.next(d), nullptr);
  EXPECT_EQ(list.previous(a), nullptr);
  EXPECT_EQ(list.previous(d), &c);
  b.node.unlink();
  EXPECT_FALSE(b.node.linked());
  EXPECT_EQ(values(list), (std::vector{1, 3, 4}));
  EXPECT_EQ(list.back(), &d);
  EXPECT_EQ(list.pop_front(), &a);
  list.remove(c);
  list.remove(d);
  EXPECT_TRUE(list.empty());
}

TEST(List, TwoListsThroughTwoNodes) {
  Item a(1), b(2);
  ItemList first;
  List<Item, &Item::other_node> second;
  first.push_back(a);
  first.push_back(b);
  second.push_back(b);
  second.push_back(a);
  EXPECT_EQ(first.front(), &a);
  EXPECT_EQ(second.front(), &b);
  while (first.pop_front()) {
  }
  while (second.pop_front()) {
  }
}

TEST(List, Splice) {
  Item a(1), b(2), c(3);
  ItemList first, second;
  first.splice_back(second);  // nothing to nothing
  first.push_back(a);
  second.push_back(b);
  second.push_back(c);
  first.splice_back(second);
  EXPECT_TRUE(second.empty());
  EXPECT_EQ(values(first), (std::vector{1, 2, 3}));
  while (first.pop_front()) {
  }
}

struct Entry {
  HashNode node;
  u64 key = 0;
};
struct EntryTraits {
  static u64 hash(const Entry& entry) { return mix_hash(entry.key); }
};

TEST(HashTable, AgreesWithAModel) {
  HashTable<Entry, &Entry::node, EntryTraits> table;
  std::unordered_map<u64, std::unique_ptr<Entry>> model;
  std::mt19937_64 random(1);
  const auto find = [&](u64 key) {
    return table.find(mix_hash(key), [&](const Entry& entry) { return entry.key == key; });
  };
  EXPECT_EQ(find(1), nullptr);
  for (int step = 0; step < 20000; ++step) {
    const u64 key = random() % 500;
    auto found = model.find(key);
    ASSERT_EQ(find(key), found == model.end() ? nullptr : found->second.get());
    if (found == model.end()) {
      auto entry = std::make_unique<Entry>();
      entry->key = key;
      ASSERT_TRUE(table.insert(*entry).ok());
      model[key] = std::move(entry);
    } else if (random() % 2) {
      table.remove(*found->second);
      model.erase(found);
    }
    ASSERT_EQ(table.size(), model.size());
  }
  usize seen = 0;
  table.for_each([&](Entry& entry) { seen += model.count(entry.key); });
  EXPECT_EQ(seen, model.size());
  while (Entry* entry = table.any()) table.remove(*entry);
}

TEST(Vector, GrowsAndDestroys) {
  auto shared = std::make_shared<int>(1);
  {
    Vector<std::shared_ptr<int>> vector;
    EXPECT_TRUE(vector.empty());
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(vector.push_back(shared).ok());
    EXPECT_EQ(shared.use_count(), 101);
    vector.erase(50);
    vector.pop_back();
    EXPECT_EQ(shared.use_count(), 99);
    ASSERT_TRUE(vector.resize(10).ok());
    EXPECT_EQ(shared.use_count(), 11);
    ASSERT_TRUE(vector.resize(20).ok());
    EXPECT_EQ(vector[19], nullptr);
    Vector<std::shared_ptr<int>> moved = std::move(vector);
    EXPECT_TRUE(vector.empty());
    EXPECT_EQ(moved.size(), 20u);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(Vector, EraseKeepsOrderAndAppendCopies) {
  Vector<int> vector;
  const int numbers[] = {1, 2, 3, 4};
  ASSERT_TRUE(vector.append(numbers).ok());
  vector.erase(1);
  std::span<const int> view = vector;
  EXPECT_EQ(std::vector<int>(view.begin(), view.end()), (std::vector{1, 3, 4}));
  EXPECT_EQ(vector.back(), 4);
}

TEST(Vector, TooLargeIsNoMemory) {
  Vector<u64> vector;
  ASSERT_TRUE(vector.push_back(7).ok());
  EXPECT_TRUE(vector.reserve(SIZE_MAX / 4).failed(Errno::kNoMem));
  EXPECT_EQ(vector[0], 7u);
}

TEST(VectorDeathTest, IndexIsChecked) {
  Vector<int> vector;
  EXPECT_DEATH((void)vector[0], "i < size_");
}

TEST(String, ConcatAndMove) {
  String empty;
  EXPECT_STREQ(empty.c_str(), "");
  EXPECT_TRUE(empty.empty());
  String text = String::concat("/proc", std::string_view("/self"), String()).take();
  EXPECT_EQ(text.view(), "/proc/self");
  EXPECT_EQ(text.size(), 10u);
  EXPECT_STREQ(text.c_str(), "/proc/self");
  String moved = std::move(text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(String::copy(moved).take().view(), "/proc/self");
}

}  // namespace
}  // namespace narwhal
