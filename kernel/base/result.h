// Errors as values. A function that can fail returns Result<T>; TRY hands an error up.
//
// A Result of a trivial type travels in two registers. Looking at the value of a failed Result is a
// bug and panics.
#pragma once

#include <concepts>
#include <new>
#include <type_traits>
#include <utility>

#include "kernel/base/errno.h"
#include "kernel/base/panic.h"

namespace narwhal {

struct Unit {};

template <typename T = Unit>
class [[nodiscard]] Result {
  static constexpr bool kTrivial =
      std::is_trivially_copy_constructible_v<T> && std::is_trivially_destructible_v<T>;

 public:
  using Value = T;

  constexpr Result(Errno error)
      : errno_(error) {}  // NOLINT: implicit on purpose, `return Errno::kInval;`

  template <typename U = T>
    requires std::constructible_from<T, U&&> && (!std::same_as<std::remove_cvref_t<U>, Errno>) &&
             (!std::same_as<std::remove_cvref_t<U>, Result>)
  constexpr Result(U&& value) : value_(std::forward<U>(value)) {}  // NOLINT: implicit on purpose

  constexpr Result()
    requires std::same_as<T, Unit>
      : value_() {}

  constexpr Result(const Result&)
    requires kTrivial
  = default;
  constexpr Result(Result&&)
    requires kTrivial
  = default;
  constexpr Result(Result&& other)
    requires(!kTrivial)
      : errno_(other.errno_) {
    if (ok()) new (&value_) T(std::move(other.value_));
  }
  Result& operator=(Result&&) = delete;

  constexpr ~Result()
    requires kTrivial
  = default;
  constexpr ~Result()
    requires(!kTrivial)
  {
    if (ok()) value_.~T();
  }

  constexpr bool ok() const { return errno_ == Errno{}; }
  constexpr bool failed(Errno error) const { return errno_ == error; }
  constexpr Errno error() const { return errno_; }

  constexpr T& value() & {
    check();
    return value_;
  }
  constexpr const T& value() const& {
    check();
    return value_;
  }
  // Moves the value out.
  constexpr T take() {
    check();
    return std::move(value_);
  }
  constexpr T value_or(T other) && { return ok() ? std::move(value_) : std::move(other); }
  // For results that may fail without consequence; says so in the code.
  constexpr void ignore() const {}

 private:
  constexpr void check() const {
    if (!ok()) [[unlikely]]
      panic("value of a failed Result taken");
  }

  union {
    T value_;
  };
  Errno errno_{};
};

}  // namespace narwhal

// Evaluates to the value of a Result, or returns its error from the enclosing function.
#define TRY(expr)                       \
  ({                                    \
    auto&& try_result_ = (expr);        \
    if (!try_result_.ok()) [[unlikely]] \
      return try_result_.error();       \
    try_result_.take();                 \
  })
