// A chained hash table whose links live in the elements. Growing can fail without harm: chains get
// longer.
//
//   struct Item { HashNode node; u64 key; };
//   struct Traits { static u64 hash(const Item& item); };
//   HashTable<Item, &Item::node, Traits> table;
//
// The table does not own its elements. No lock of its own.
#pragma once

#include <new>

#include "kernel/base/panic.h"
#include "kernel/base/result.h"

namespace narwhal {

// Spreads the bits of a key over a hash (the finaliser of SplitMix64).
constexpr u64 mix_hash(u64 key) {
  key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9;
  key = (key ^ (key >> 27)) * 0x94d049bb133111eb;
  return key ^ (key >> 31);
}

struct HashNode {
  void* next = nullptr;
  bool linked = false;
};

template <typename T, HashNode T::* Node, typename Traits>
class HashTable : NonCopyable {
 public:
  constexpr HashTable() = default;
  ~HashTable() {
    DEBUG_ASSERT(size_ == 0);
    ::operator delete(buckets_);
  }

  usize size() const { return size_; }

  // ENOMEM only when there is no table at all yet.
  Result<> insert(T& item) {
    if (size_ >= count_) {
      if (auto grown = grow(); !grown.ok() && count_ == 0) return grown.error();
    }
    T*& head = bucket(Traits::hash(item));
    (item.*Node).next = head;
    (item.*Node).linked = true;
    head = &item;
    ++size_;
    return {};
  }
  // The first element with this hash for which `matches` holds.
  template <typename Matches>
  T* find(u64 hash, Matches matches) const {
    if (count_ == 0) return nullptr;
    for (T* item = buckets_[hash & (count_ - 1)]; item; item = next_of(*item))
      if (matches(*item)) return item;
    return nullptr;
  }
  void remove(T& item) {
    ASSERT((item.*Node).linked);
    T** link = &bucket(Traits::hash(item));
    while (*link != &item) link = reinterpret_cast<T**>(&((*link)->*Node).next);
    *link = next_of(item);
    (item.*Node) = {};
    --size_;
  }
  // Any element, or nullptr: for emptying the table.
  T* any() const {
    for (usize i = 0; i < count_; ++i)
      if (buckets_[i]) return buckets_[i];
    return nullptr;
  }
  template <typename Visit>
  void for_each(Visit visit) const {
    for (usize i = 0; i < count_; ++i)
      for (T* item = buckets_[i]; item;) {
        T* next = next_of(*item);
        visit(*item);
        item = next;
      }
  }

 private:
  static T* next_of(const T& item) { return static_cast<T*>((item.*Node).next); }
  T*& bucket(u64 hash) { return buckets_[hash & (count_ - 1)]; }
  Result<> grow() {
    usize count = count_ ? count_ * 2 : 8;
    auto** buckets = static_cast<T**>(::operator new(count * sizeof(T*), std::nothrow));
    if (!buckets) return Errno::kNoMem;
    for (usize i = 0; i < count; ++i) buckets[i] = nullptr;
    for_each([&](T& item) {
      T*& head = buckets[Traits::hash(item) & (count - 1)];
      (item.*Node).next = head;
      head = &item;
    });
    ::operator delete(buckets_);
    buckets_ = buckets;
    count_ = count;
    return {};
  }

  T** buckets_ = nullptr;
  usize count_ = 0;
  usize size_ = 0;
};

}  // namespace narwhal
