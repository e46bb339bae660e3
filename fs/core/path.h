// A place in the tree of names: a name, and the mount through which it was reached.
#pragma once

#include "kernel/base/ref.h"

namespace narwhal {

class Mount;
class Dentry;

// Users that copy or destroy a Path include fs/core/dentry.h.
struct Path {
  Ref<Mount> mount;
  Ref<Dentry> dentry;
  explicit operator bool() const { return bool(dentry); }
  friend bool operator==(const Path&, const Path&) = default;
};

}  // namespace narwhal
