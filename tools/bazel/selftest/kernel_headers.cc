// The parts of the standard library that the kernel uses compile with the kernel's flags.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <charconv>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <optional>
#include <ranges>
#include <source_location>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace narwhal {

#ifdef NARWHAL_KERNEL
static_assert(!__has_feature(cxx_exceptions) && !__has_feature(cxx_rtti));
static_assert(!__has_feature(address_sanitizer), "the image is built without sanitizers");
#endif

int sort_and_find(std::span<int> numbers, int wanted) {
  std::ranges::sort(numbers);
  const auto found = std::ranges::lower_bound(numbers, wanted);
  return found == numbers.end() ? -1 : static_cast<int>(found - numbers.begin());
}

}  // namespace narwhal
