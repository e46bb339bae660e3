// A growing array whose growth can fail.
#pragma once

#include <initializer_list>
#include <new>
#include <span>
#include <utility>

#include "kernel/base/result.h"
#include "kernel/base/types.h"

namespace narwhal {

template <typename T>
class Vector : NonCopyable {
 public:
  constexpr Vector() = default;
  Vector(Vector&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Vector& operator=(Vector&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~Vector() {
    clear();
    if (data_) ::operator delete(data_);
  }

  usize size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& operator[](usize i) {
    ASSERT(i < size_);
    return data_[i];
  }
  const T& operator[](usize i) const {
    ASSERT(i < size_);
    return data_[i];
  }
  T& back() { return (*this)[size_ - 1]; }
  operator std::span<const T>() const { return {data_, size_}; }  // NOLINT: implicit on purpose

  // ENOMEM; the vector is unchanged then.
  Result<> reserve(usize capacity) {
    if (capacity <= capacity_) return {};
    usize wanted = capacity_ * 2 > capacity ? capacity_ * 2 : capacity;
    if (wanted > SIZE_MAX / 2 / sizeof(T)) return Errno::kNoMem;
    auto* grown = static_cast<T*>(::operator new(wanted * sizeof(T), std::nothrow));
    if (!grown) return Errno::kNoMem;
    for (usize i = 0; i < size_; ++i) {
      new (&grown[i]) T(std::move(data_[i]));
      data_[i].~T();
    }
    ::operator delete(data_);
    data_ = grown;
    capacity_ = wanted;
    return {};
  }
  Result<> push_back(T value) {
    TRY(reserve(size_ + 1));
    new (&data_[size_++]) T(std::move(value));
    return {};
  }
  Result<> append(std::span<const T> values) {
    TRY(reserve(size_ + values.size()));
    for (const T& value : values) new (&data_[size_++]) T(value);
    return {};
  }
  Result<> resize(usize size) {
    TRY(reserve(size));
    while (size_ > size) pop_back();
    while (size_ < size) new (&data_[size_++]) T();
    return {};
  }
  void pop_back() {
    ASSERT(size_ > 0);
    data_[--size_].~T();
  }
  // Keeps the order.
  void erase(usize index) {
    ASSERT(index < size_);
    for (usize i = index + 1; i < size_; ++i) data_[i - 1] = std::move(data_[i]);
    pop_back();
  }
  void clear() {
    while (size_ > 0) pop_back();
  }

 private:
  T* data_ = nullptr;
  usize size_ = 0;
  usize capacity_ = 0;
};

}  // namespace narwhal
