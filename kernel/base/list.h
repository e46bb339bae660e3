// A doubly linked list whose links live in the elements, so that linking can't fail and unlinking
// needs no search.
//
// An element is on at most one list per ListNode member. The list does not own its elements.
#pragma once

#include "kernel/base/panic.h"
#include "kernel/base/types.h"

namespace narwhal {

class ListNode : NonCopyable {
 public:
  constexpr ListNode() = default;
  ~ListNode() { DEBUG_ASSERT(!linked()); }
  bool linked() const { return next_ != nullptr; }
  // Takes the element off whatever list it is on.
  void unlink() {
    DEBUG_ASSERT(linked());
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }

 private:
  template <typename T, ListNode T::*>
  friend class List;
  ListNode* next_ = nullptr;
  ListNode* prev_ = nullptr;
};

// `List<Waiter, &Waiter::node>`.
template <typename T, ListNode T::* Node>
class List : NonCopyable {
 public:
  constexpr List() { head_.next_ = head_.prev_ = &head_; }
  ~List() {
    DEBUG_ASSERT(empty());
    head_.next_ = head_.prev_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  T* front() { return empty() ? nullptr : element(head_.next_); }
  T* back() { return empty() ? nullptr : element(head_.prev_); }
  // The element after (before) `item`, or nullptr at the end.
  T* next(T& item) {
    ListNode* node = (item.*Node).next_;
    return node == &head_ ? nullptr : element(node);
  }
  T* previous(T& item) {
    ListNode* node = (item.*Node).prev_;
    return node == &head_ ? nullptr : element(node);
  }

  void push_back(T& item) { insert(&(item.*Node), head_.prev_, &head_); }
  void push_front(T& item) { insert(&(item.*Node), &head_, head_.next_); }
  void insert_before(T& where, T& item) {
    insert(&(item.*Node), (where.*Node).prev_, &(where.*Node));
  }
  T* pop_front() {
    T* item = front();
    if (item) (item->*Node).unlink();
    return item;
  }
  void remove(T& item) { (item.*Node).unlink(); }
  // Moves all of `other` to the end of this list.
  void splice_back(List& other) {
    if (other.empty()) return;
    ListNode* first = other.head_.next_;
    ListNode* last = other.head_.prev_;
    first->prev_ = head_.prev_;
    head_.prev_->next_ = first;
    last->next_ = &head_;
    head_.prev_ = last;
    other.head_.next_ = other.head_.prev_ = &other.head_;
  }

  class Iterator {
   public:
    explicit Iterator(ListNode* node) : node_(node) {}
    T& operator*() const { return *element(node_); }
    Iterator& operator++() {
      node_ = node_->next_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return node_ != other.node_; }

   private:
    ListNode* node_;
  };
  // The element that the iterator stands on must not be unlinked in the loop; use next() for that.
  Iterator begin() { return Iterator(head_.next_); }
  Iterator end() { return Iterator(&head_); }

 private:
  static T* element(ListNode* node) {
    // The offset of the member, computed without an object.
    const auto offset =
        reinterpret_cast<uptr>(&(reinterpret_cast<T*>(uptr{0x1000})->*Node)) - 0x1000;
    return reinterpret_cast<T*>(reinterpret_cast<uptr>(node) - offset);
  }
  static void insert(ListNode* node, ListNode* prev, ListNode* next) {
    DEBUG_ASSERT(!node->linked());
    node->prev_ = prev;
    node->next_ = next;
    prev->next_ = node;
    next->prev_ = node;
  }

  ListNode head_;
};

}  // namespace narwhal
