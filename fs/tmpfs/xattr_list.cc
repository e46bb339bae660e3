#include "fs/tmpfs/xattr_list.h"

#include <cstring>

namespace narwhal {

usize XattrList::find(std::string_view name) const {
  usize index = 0;
  while (index < attributes_.size() && attributes_[index].name.view() != name) ++index;
  return index;
}

Result<usize> XattrList::get(std::string_view name, std::span<std::byte> out) const {
  const usize index = find(name);
  if (index == attributes_.size()) return Errno::kNoData;
  const Vector<std::byte>& value = attributes_[index].value;
  if (out.empty()) return value.size();
  if (out.size() < value.size()) return Errno::kRange;
  if (!value.empty()) std::memcpy(out.data(), value.data(), value.size());
  return value.size();
}

Result<> XattrList::set(std::string_view name, std::span<const std::byte> value, int flags) {
  constexpr int kCreate = 1, kReplace = 2;
  const usize index = find(name);
  const bool exists = index < attributes_.size();
  if (exists && (flags & kCreate)) return Errno::kExist;
  if (!exists && (flags & kReplace)) return Errno::kNoData;
  Vector<std::byte> copy;
  TRY(copy.append(value));
  if (exists) {
    attributes_[index].value = std::move(copy);
    return {};
  }
  return attributes_.push_back({TRY(String::copy(name)), std::move(copy)});
}

Result<> XattrList::remove(std::string_view name) {
  const usize index = find(name);
  if (index == attributes_.size()) return Errno::kNoData;
  attributes_.erase(index);
  return {};
}

Result<usize> XattrList::list(std::span<char> out, bool with_trusted) const {
  usize size = 0;
  for (const Attribute& attribute : attributes_) {
    const std::string_view name = attribute.name;
    if (!with_trusted && name.starts_with("trusted.")) continue;
    const usize needed = name.size() + 1;
    if (!out.empty()) {
      if (out.size() - size < needed) return Errno::kRange;
      std::memcpy(out.data() + size, attribute.name.c_str(), needed);
    }
    size += needed;
  }
  return size;
}

}  // namespace narwhal
