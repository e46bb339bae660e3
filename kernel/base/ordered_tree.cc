#include "kernel/base/ordered_tree.h"

#include <utility>

namespace narwhal {
namespace {

int height_of(const TreeNode* node) {
  return node ? node->height : 0;
}

// What follows from a node's children.
void recompute(TreeNode* node, TreeBase::Update update) {
  const int left = height_of(node->left), right = height_of(node->right);
  node->height = u8((left > right ? left : right) + 1);
  update(node);
}

TreeNode* leftmost(TreeNode* node) {
  while (node && node->left) node = node->left;
  return node;
}
TreeNode* rightmost(TreeNode* node) {
  while (node && node->right) node = node->right;
  return node;
}

}  // namespace

TreeNode* TreeBase::first() const {
  return leftmost(root_);
}
TreeNode* TreeBase::last() const {
  return rightmost(root_);
}

TreeNode* TreeBase::next(TreeNode* node) {
  if (node->right) return leftmost(node->right);
  while (node->parent && node->parent->right == node) node = node->parent;
  return node->parent;
}
TreeNode* TreeBase::previous(TreeNode* node) {
  if (node->left) return rightmost(node->left);
  while (node->parent && node->parent->left == node) node = node->parent;
  return node->parent;
}

void TreeBase::replace_child(TreeNode* parent, TreeNode* old_child, TreeNode* new_child) {
  if (!parent)
    root_ = new_child;
  else if (parent->left == old_child)
    parent->left = new_child;
  else
    parent->right = new_child;
  if (new_child) new_child->parent = parent;
}

// Turns the subtree so that a child takes the place of `node`; returns that child.
TreeNode* TreeBase::rotate(TreeNode* node, bool to_left, Update update) {
  TreeNode* child = to_left ? node->right : node->left;
  TreeNode* moved = to_left ? child->left : child->right;
  replace_child(node->parent, node, child);
  (to_left ? node->right : node->left) = moved;
  if (moved) moved->parent = node;
  (to_left ? child->left : child->right) = node;
  node->parent = child;
  recompute(node, update);
  recompute(child, update);
  return child;
}

void TreeBase::rebalance_upwards(TreeNode* node, Update update) {
  for (; node; node = node->parent) {
    const int lean = height_of(node->left) - height_of(node->right);
    if (lean > 1) {
      if (height_of(node->left->left) < height_of(node->left->right))
        rotate(node->left, true, update);
      node = rotate(node, false, update);
    } else if (lean < -1) {
      if (height_of(node->right->right) < height_of(node->right->left))
        rotate(node->right, false, update);
      node = rotate(node, true, update);
    } else {
      recompute(node, update);
    }
  }
}

void TreeBase::link(TreeNode* node, TreeNode* parent, bool on_left, Update update) {
  DEBUG_ASSERT(!node->linked());
  node->left = node->right = nullptr;
  node->parent = parent;
  if (!parent)
    root_ = node;
  else
    (on_left ? parent->left : parent->right) = node;
  rebalance_upwards(node, update);
}

void TreeBase::unlink(TreeNode* node, Update update) {
  DEBUG_ASSERT(node->linked());
  TreeNode* changed;  // the lowest node whose children are others now
  if (node->left && node->right) {
    // Its successor, which has no left child, takes its place.
    TreeNode* successor = leftmost(node->right);
    changed = successor->parent == node ? successor : successor->parent;
    replace_child(successor->parent, successor, successor->right);
    replace_child(node->parent, node, successor);
    successor->left = node->left;
    successor->left->parent = successor;
    successor->right = node->right;
    if (successor->right) successor->right->parent = successor;
  } else {
    changed = node->parent;
    replace_child(node->parent, node, node->left ? node->left : node->right);
  }
  node->parent = node->left = node->right = nullptr;
  node->height = 0;
  rebalance_upwards(changed, update);
}

void TreeBase::refresh(TreeNode* node, Update update) {
  for (; node; node = node->parent) update(node);
}

}  // namespace narwhal
