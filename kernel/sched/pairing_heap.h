// A priority queue whose links live in the elements: inserting can't fail, and any element can be
// taken out.
//
// A pairing heap (Fredman, Sedgewick, Sleator and Tarjan, 1986): insertion and the look at the
// first element take a few instructions, removal is logarithmic on average. Equal elements come in
// no particular order. No lock of its own.
#pragma once

#include "kernel/base/panic.h"
#include "kernel/base/types.h"

namespace narwhal {

// An element is in at most one heap per HeapNode member.
class HeapNode : NonCopyable {
 public:
  constexpr HeapNode() = default;
  ~HeapNode() { DEBUG_ASSERT(!linked_); }
  bool linked() const { return linked_; }

 private:
  template <typename T, HeapNode T::*, typename Before>
  friend class PairingHeap;
  HeapNode* child_ = nullptr;     // first of the children
  HeapNode* next_ = nullptr;      // the next child of the same parent
  HeapNode* previous_ = nullptr;  // the child before, or the parent of a first child
  bool linked_ = false;
};

// `Before::before(a, b)` says whether a comes out before b.
template <typename T, HeapNode T::* Node, typename Before>
class PairingHeap : NonCopyable {
 public:
  constexpr PairingHeap() = default;
  ~PairingHeap() { DEBUG_ASSERT(empty()); }

  bool empty() const { return root_ == nullptr; }
  T* first() const { return root_ ? element(root_) : nullptr; }

  void insert(T& item) {
    HeapNode* node = &(item.*Node);
    DEBUG_ASSERT(!node->linked_);
    node->linked_ = true;
    root_ = root_ ? meld(root_, node) : node;
  }
  T* pop_first() {
    T* item = first();
    if (item) remove(*item);
    return item;
  }
  void remove(T& item) {
    HeapNode* node = &(item.*Node);
    DEBUG_ASSERT(node->linked_);
    HeapNode* rest = merge_children(node->child_);
    if (node == root_) {
      root_ = rest;
    } else {
      if (node->previous_->child_ == node)
        node->previous_->child_ = node->next_;
      else
        node->previous_->next_ = node->next_;
      if (node->next_) node->next_->previous_ = node->previous_;
      if (rest) root_ = meld(root_, rest);
    }
    node->child_ = node->next_ = node->previous_ = nullptr;
    node->linked_ = false;
  }

 private:
  static T* element(HeapNode* node) {
    // The offset of the member, computed without an object.
    const auto offset =
        reinterpret_cast<uptr>(&(reinterpret_cast<T*>(uptr{0x1000})->*Node)) - 0x1000;
    return reinterpret_cast<T*>(reinterpret_cast<uptr>(node) - offset);
  }

  // Both are roots without siblings; the later one becomes the first child of the other.
  static HeapNode* meld(HeapNode* a, HeapNode* b) {
    if (Before::before(*element(b), *element(a))) {
      HeapNode* swap = a;
      a = b;
      b = swap;
    }
    b->next_ = a->child_;
    if (b->next_) b->next_->previous_ = b;
    b->previous_ = a;
    a->child_ = b;
    return a;
  }

  // Makes one tree of a list of siblings: first pairs from left to right, then all of those into
  // one.
  static HeapNode* merge_children(HeapNode* first) {
    HeapNode* pairs = nullptr;  // linked by next_, the last pair first
    while (first) {
      HeapNode* a = first;
      HeapNode* b = a->next_;
      first = b ? b->next_ : nullptr;
      a->next_ = a->previous_ = nullptr;
      if (b) {
        b->next_ = b->previous_ = nullptr;
        a = meld(a, b);
      }
      a->next_ = pairs;
      pairs = a;
    }
    HeapNode* root = nullptr;
    while (pairs) {
      HeapNode* tree = pairs;
      pairs = tree->next_;
      tree->next_ = nullptr;
      root = root ? meld(root, tree) : tree;
    }
    return root;
  }

  HeapNode* root_ = nullptr;
};

}  // namespace narwhal
