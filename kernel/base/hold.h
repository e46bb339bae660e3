// A counted object for the length of a call: with a reference of our own, or borrowed from an owner
// that is known to outlive the call. An atomic operation costs as much as twenty others; most calls
// on a descriptor need none.
#pragma once

#include "kernel/base/ref.h"

namespace narwhal {

template <typename T>
class [[nodiscard]] Hold {
 public:
  static Hold borrow(T* object) { return Hold(object, false); }
  static Hold own(Ref<T> ref) { return Hold(ref.release(), true); }
  Hold(Hold&& other) noexcept
      : object_(other.object_), owned_(std::exchange(other.owned_, false)) {}
  Hold& operator=(Hold&&) = delete;
  ~Hold() {
    if (owned_) object_->drop_ref();
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  // For who keeps it longer.
  Ref<T> ref() const { return Ref<T>(object_); }
  // The same as a derived class.
  template <typename U>
  Hold<U> as() && {
    return Hold<U>(static_cast<U*>(object_), std::exchange(owned_, false));
  }

 private:
  template <typename U>
  friend class Hold;
  Hold(T* object, bool owned) : object_(object), owned_(owned) {}
  T* object_;
  bool owned_;
};

}  // namespace narwhal
