// A balanced search tree whose links live in the elements, so that inserting can't fail.
//
//   struct Range { TreeNode node; u64 start; u64 longest; };
//   struct ByStart {
//     static u64 key(const Range& r) { return r.start; }
//     // Recomputes what an element remembers about its subtree.
//     static void update(Range& r, const Range* left, const Range* right);
//   };
//   OrderedTree<Range, &Range::node, ByStart> ranges;
//
// An AVL tree (Knuth, The Art of Computer Programming, vol. 3, section 6.2.3): heights of siblings
// differ by one at most. Keys are distinct. The tree does not own its elements and has no lock.
#pragma once

#include "kernel/base/panic.h"
#include "kernel/base/types.h"

namespace narwhal {

struct TreeNode : NonCopyable {
  TreeNode* parent = nullptr;
  TreeNode* left = nullptr;
  TreeNode* right = nullptr;
  u8 height = 0;  // of the subtree; 0: in no tree

  bool linked() const { return height != 0; }
};

// What does not depend on the element's type. `Update` is told of every node whose subtree changed,
// children before parents.
class TreeBase : NonCopyable {
 public:
  using Update = void (*)(TreeNode* node);

  constexpr TreeBase() = default;
  // Hangs `node` below `parent` (null: it becomes the root) on the given side, which is free.
  void link(TreeNode* node, TreeNode* parent, bool on_left, Update update);
  void unlink(TreeNode* node, Update update);
  // What `node` itself contributes has changed.
  static void refresh(TreeNode* node, Update update);

  TreeNode* root() const { return root_; }
  TreeNode* first() const;
  TreeNode* last() const;
  static TreeNode* next(TreeNode* node);
  static TreeNode* previous(TreeNode* node);

 private:
  void replace_child(TreeNode* parent, TreeNode* old_child, TreeNode* new_child);
  TreeNode* rotate(TreeNode* node, bool to_left, Update update);
  void rebalance_upwards(TreeNode* node, Update update);

  TreeNode* root_ = nullptr;
};

template <typename T, TreeNode T::* Node, typename Traits>
class OrderedTree {
 public:
  constexpr OrderedTree() = default;
  ~OrderedTree() { DEBUG_ASSERT(empty()); }

  bool empty() const { return tree_.root() == nullptr; }
  T* first() const { return element(tree_.first()); }
  T* last() const { return element(tree_.last()); }
  T* next(T& item) const { return element(TreeBase::next(&(item.*Node))); }
  T* previous(T& item) const { return element(TreeBase::previous(&(item.*Node))); }

  // The element with the smallest key that is at least `key`.
  T* at_or_above(u64 key) const {
    TreeNode* best = nullptr;
    for (TreeNode* node = tree_.root(); node;) {
      if (Traits::key(*element(node)) >= key) {
        best = node;
        node = node->left;
      } else {
        node = node->right;
      }
    }
    return element(best);
  }
  // The element with the largest key that is at most `key`.
  T* at_or_below(u64 key) const {
    TreeNode* best = nullptr;
    for (TreeNode* node = tree_.root(); node;) {
      if (Traits::key(*element(node)) <= key) {
        best = node;
        node = node->right;
      } else {
        node = node->left;
      }
    }
    return element(best);
  }

  void insert(T& item) {
    TreeNode* parent = nullptr;
    bool on_left = false;
    for (TreeNode* node = tree_.root(); node;) {
      parent = node;
      on_left = Traits::key(item) < Traits::key(*element(node));
      node = on_left ? node->left : node->right;
    }
    tree_.link(&(item.*Node), parent, on_left, &update);
  }
  void remove(T& item) { tree_.unlink(&(item.*Node), &update); }
  // Call it when something that Traits::update looks at has changed. The order must not have.
  void refresh(T& item) { TreeBase::refresh(&(item.*Node), &update); }

  // For searches that follow what update() left behind.
  T* root() const { return element(tree_.root()); }
  static T* left(const T& item) { return element((item.*Node).left); }
  static T* right(const T& item) { return element((item.*Node).right); }

 private:
  static T* element(TreeNode* node) {
    if (!node) return nullptr;
    const auto offset =
        reinterpret_cast<uptr>(&(reinterpret_cast<T*>(uptr{0x1000})->*Node)) - 0x1000;
    return reinterpret_cast<T*>(reinterpret_cast<uptr>(node) - offset);
  }
  static void update(TreeNode* node) {
    Traits::update(*element(node), element(node->left), element(node->right));
  }

  TreeBase tree_;
};

}  // namespace narwhal
