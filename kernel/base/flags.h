// Set operators for `enum class` types that are sets of bits. Opt in with ENABLE_FLAGS(Type).
#pragma once

#include <type_traits>

namespace narwhal {

template <typename E>
constexpr auto raw(E value) {
  return static_cast<std::underlying_type_t<E>>(value);
}

}  // namespace narwhal

#define ENABLE_FLAGS(E)                                        \
  constexpr E operator|(E a, E b) {                            \
    return E(::narwhal::raw(a) | ::narwhal::raw(b));           \
  }                                                            \
  constexpr E operator&(E a, E b) {                            \
    return E(::narwhal::raw(a) & ::narwhal::raw(b));           \
  }                                                            \
  constexpr E operator~(E a) {                                 \
    return E(~::narwhal::raw(a));                              \
  }                                                            \
  constexpr E& operator|=(E& a, E b) {                         \
    return a = a | b;                                          \
  }                                                            \
  constexpr E& operator&=(E& a, E b) {                         \
    return a = a & b;                                          \
  }                                                            \
  /* any bit of `flags` set in `set` */                        \
  constexpr bool has(E set, E flags) {                         \
    return (::narwhal::raw(set) & ::narwhal::raw(flags)) != 0; \
  }                                                            \
  /* nothing outside `mask` set in `set` */                    \
  constexpr bool has_only(E set, E mask) {                     \
    return (::narwhal::raw(set) & ~::narwhal::raw(mask)) == 0; \
  }                                                            \
  static_assert(true)
