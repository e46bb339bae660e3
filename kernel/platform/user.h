// Typed access to the program's memory: what handlers of system calls use.
#pragma once

#include <concepts>
#include <span>
#include <string_view>
#include <type_traits>

#include "kernel/base/vector.h"
#include "kernel/platform/user_copy.h"

namespace narwhal {

// Safe to hand to a program byte for byte: fixed layout and no padding that could leak the kernel's
// memory.
template <typename T>
concept AbiSafe = std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> &&
                  std::has_unique_object_representations_v<T>;

template <AbiSafe T>
Result<T> load_user(UserAddr address) {
  T value;
  if (platform::copy_from_user(&value, address, sizeof(T)) != 0) return Errno::kFault;
  return value;
}
template <AbiSafe T>
Result<> store_user(UserAddr address, const T& value) {
  if (platform::copy_to_user(address, &value, sizeof(T)) != 0) return Errno::kFault;
  return {};
}

// A pointer argument that the kernel reads.
template <AbiSafe T>
struct UserIn {
  UserAddr addr;
  constexpr bool null() const { return addr.value == 0; }
  Result<T> load() const { return load_user<T>(addr); }
  // An array of `count` elements.
  Result<Vector<T>> load_array(usize count) const {
    Vector<T> values;
    TRY(values.resize(count));
    if (platform::copy_from_user(values.data(), addr, count * sizeof(T)) != 0) return Errno::kFault;
    return values;
  }
};

// A pointer argument that the kernel writes.
template <AbiSafe T>
struct UserOut {
  UserAddr addr;
  constexpr bool null() const { return addr.value == 0; }
  Result<> store(const T& value) const { return store_user(addr, value); }
  // Many interfaces allow a null pointer to mean "not wanted".
  Result<> store_if_wanted(const T& value) const {
    if (null()) return {};
    return store(value);
  }
  Result<> store_array(std::span<const T> values) const {
    if (platform::copy_to_user(addr, values.data(), values.size_bytes()) != 0) return Errno::kFault;
    return {};
  }
};

// A pointer argument that the kernel reads and writes.
template <AbiSafe T>
struct UserInOut {
  UserAddr addr;
  constexpr bool null() const { return addr.value == 0; }
  Result<T> load() const { return load_user<T>(addr); }
  Result<> store(const T& value) const { return store_user(addr, value); }
};

// A pointer to a NUL-terminated string.
struct UserString {
  UserAddr addr;
  constexpr bool null() const { return addr.value == 0; }
  // Into `buffer`, NUL included. EFAULT, ENAMETOOLONG.
  Result<std::string_view> load(std::span<char> buffer) const {
    usize length = TRY(platform::copy_string_from_user(buffer.data(), addr, buffer.size()));
    return std::string_view(buffer.data(), length);
  }
};

// A buffer of the program's: an address alone never reaches a File.
struct UserBuffer {
  UserAddr addr;
  usize size;
};

}  // namespace narwhal
