// Shared ownership by an intrusive count, and sole ownership.
#pragma once

#include <concepts>
#include <new>
#include <utility>

#include "kernel/base/atomic.h"
#include "kernel/base/panic.h"
#include "kernel/base/result.h"
#include "kernel/base/types.h"

namespace narwhal {

// Base of objects held by Ref<T>. Born with a count of one, owned by the Ref that make_ref returns.
// The last Ref deletes the object through its virtual destructor; a class that must do more first
// overrides last_ref_dropped().
class RefCounted : NonCopyable {
 public:
  void add_ref() const {
    [[maybe_unused]] u32 old = count_.fetch_add(1, Order::kRelaxed);
    DEBUG_ASSERT(old != 0);
  }
  void drop_ref() const {
    if (count_.fetch_sub(1, Order::kAcqRel) == 1) const_cast<RefCounted*>(this)->last_ref_dropped();
  }
  // Drops a reference and says whether it was the last, for those who take long chains apart in a
  // loop instead of by recursion: the caller then owns the object's end.
  [[nodiscard]] bool drop_ref_is_last() const { return count_.fetch_sub(1, Order::kAcqRel) == 1; }
  // For look-ups in tables that do not own: fails once the count has reached zero.
  bool try_add_ref() const {
    u32 count = count_.load(Order::kRelaxed);
    while (count != 0)
      if (count_.compare_exchange(count, count + 1, Order::kAcquire)) return true;
    return false;
  }
  u32 ref_count() const { return count_.load(Order::kRelaxed); }

 protected:
  virtual ~RefCounted() = default;
  virtual void last_ref_dropped() { delete this; }

 private:
  mutable Atomic<u32> count_{1};
};

template <typename T>
class Ref {
 public:
  constexpr Ref() = default;
  constexpr Ref(std::nullptr_t) {}  // NOLINT: implicit on purpose
  // Takes another reference to a live object.
  explicit Ref(T* object) : object_(object) {
    if (object_) object_->add_ref();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <typename U>
    requires std::convertible_to<U*, T*>
  Ref(const Ref<U>& other) : Ref(other.get()) {}  // NOLINT: implicit on purpose
  template <typename U>
    requires std::convertible_to<U*, T*>
  Ref(Ref<U>&& other) noexcept : object_(other.release()) {}  // NOLINT: implicit on purpose
  ~Ref() {
    if (object_) object_->drop_ref();
  }
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }

  // Takes over a reference that the caller owns.
  static Ref adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  // Gives the reference away without dropping it.
  [[nodiscard]] T* release() { return std::exchange(object_, nullptr); }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.object_ == b.object_; }
  friend bool operator==(const Ref& a, const T* b) { return a.object_ == b; }

 private:
  T* object_ = nullptr;
};

// Makes a T or says ENOMEM.
template <typename T, typename... Args>
Result<Ref<T>> make_ref(Args&&... args) {
  T* object = new (std::nothrow) T(std::forward<Args>(args)...);
  if (!object) return Errno::kNoMem;
  return Ref<T>::adopt(object);
}

template <typename T, typename U>
Ref<T> static_ref_cast(Ref<U> ref) {
  return Ref<T>::adopt(static_cast<T*>(ref.release()));
}

// Sole ownership, like std::unique_ptr.
template <typename T>
class Own {
 public:
  constexpr Own() = default;
  constexpr Own(std::nullptr_t) {}  // NOLINT: implicit on purpose
  explicit Own(T* object) : object_(object) {}
  Own(Own&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <typename U>
    requires std::convertible_to<U*, T*>
  Own(Own<U>&& other) noexcept : object_(other.release()) {}  // NOLINT: implicit on purpose
  ~Own() { delete object_; }
  Own& operator=(Own other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  [[nodiscard]] T* release() { return std::exchange(object_, nullptr); }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

template <typename T, typename... Args>
Result<Own<T>> make_own(Args&&... args) {
  T* object = new (std::nothrow) T(std::forward<Args>(args)...);
  if (!object) return Errno::kNoMem;
  return Own<T>(object);
}

}  // namespace narwhal
