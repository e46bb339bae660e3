#include "fs/core/vfs.h"

namespace narwhal {

Path FsContext::root() const {
  NamesReadGuard guard;
  return root_;
}

Path FsContext::working_directory() const {
  NamesReadGuard guard;
  return working_directory_;
}

// The old place is let go after the lock: its end takes the lock itself.
void FsContext::set_root(Path path) {
  NamesWriteGuard guard;
  std::swap(root_, path);
}

void FsContext::set_working_directory(Path path) {
  NamesWriteGuard guard;
  std::swap(working_directory_, path);
}

Result<Ref<FsContext>> FsContext::copy() const {
  return make_ref<FsContext>(root(), working_directory(), umask());
}

}  // namespace narwhal
