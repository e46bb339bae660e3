// Extended attributes of an inode in memory, xattr(7).
#pragma once

#include <span>

#include "kernel/base/string.h"
#include "kernel/base/vector.h"

namespace narwhal {

// Not locked; whoever owns it sees to that.
class XattrList {
 public:
  // All as the calls of the same name in fs/core/inode.h.
  Result<usize> get(std::string_view name, std::span<std::byte> out) const;
  Result<> set(std::string_view name, std::span<const std::byte> value, int flags);
  Result<> remove(std::string_view name);
  Result<usize> list(std::span<char> out, bool with_trusted) const;

 private:
  struct Attribute {
    String name;
    Vector<std::byte> value;
  };
  // attributes_.size() when there is none.
  usize find(std::string_view name) const;
  Vector<Attribute> attributes_;
};

}  // namespace narwhal
