// Short names for the integer types of fixed width.
#pragma once

#include <cstddef>
#include <cstdint>

namespace narwhal {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using usize = std::size_t;
using isize = std::ptrdiff_t;
using uptr = std::uintptr_t;

inline constexpr usize kKiB = 1024;
inline constexpr usize kMiB = 1024 * kKiB;
inline constexpr usize kGiB = 1024 * kMiB;

inline constexpr u64 kNanosPerMicro = 1'000;
inline constexpr u64 kNanosPerMilli = 1'000'000;
inline constexpr u64 kNanosPerSecond = 1'000'000'000;

template <typename T>
constexpr T align_down(T value, usize alignment) {
  return static_cast<T>(static_cast<u64>(value) & ~(static_cast<u64>(alignment) - 1));
}
template <typename T>
constexpr T align_up(T value, usize alignment) {
  return align_down(static_cast<T>(static_cast<u64>(value) + alignment - 1), alignment);
}
template <typename T>
constexpr bool is_aligned(T value, usize alignment) {
  return (static_cast<u64>(value) & (static_cast<u64>(alignment) - 1)) == 0;
}
constexpr u64 div_round_up(u64 value, u64 divisor) {
  return (value + divisor - 1) / divisor;
}

// Base class of what must stay where it is and must not be copied.
struct NonCopyable {
  constexpr NonCopyable() = default;
  NonCopyable(const NonCopyable&) = delete;
  NonCopyable& operator=(const NonCopyable&) = delete;
};

}  // namespace narwhal
