// From places back to paths.
#include <cstring>

#include "fs/core/vfs.h"

namespace narwhal::vfs {
namespace {

constexpr std::string_view kDeleted = " (deleted)";
constexpr std::string_view kUnreachable = "(unreachable)";

// Calls visit(name) for each component from the last to the first. False when the way up does not
// come by the given root.
template <typename Visit>
bool visit_upwards(const Mount* mount, const Dentry* dentry, const Mount* root_mount,
                   const Dentry* root, Visit visit)
    NARWHAL_TSA(requires_shared_capability(names_lock)) {
  for (;;) {
    if (dentry == root && mount == root_mount) return true;
    if (dentry == mount->root().get()) {
      if (!mount->parent()) return false;
      dentry = mount->mountpoint();
      mount = mount->parent();
      continue;
    }
    visit(dentry->name());
    if (!dentry->parent()) return false;
    dentry = dentry->parent().get();
  }
}

Result<String> text_from(const Path& path, const Mount* root_mount, const Dentry* root)
    NARWHAL_TSA(requires_shared_capability(names_lock)) {
  const Dentry* dentry = path.dentry.get();
  // What has no place among names is shown by its own.
  if (!path.mount) return String::copy(dentry->name());
  if (has(path.mount->flags(), MountFlags::kInternal))
    return String::concat("/", dentry->name(), dentry->unlinked() ? kDeleted : "");
  usize length = 0;
  const bool reached = visit_upwards(path.mount.get(), dentry, root_mount, root,
                                     [&](std::string_view name) { length += name.size() + 1; });
  if (length == 0) length = 1;
  const usize before = reached ? 0 : kUnreachable.size();
  const usize after = dentry->unlinked() ? kDeleted.size() : 0;
  String text = TRY(String::uninitialized(before + length + after));
  char* at = text.fill() + before + length;
  std::memcpy(at, kDeleted.data(), after);
  visit_upwards(path.mount.get(), dentry, root_mount, root, [&](std::string_view name) {
    at -= name.size();
    std::memcpy(at, name.data(), name.size());
    *--at = '/';
  });
  if (at != text.fill() + before) *--at = '/';
  std::memcpy(text.fill(), kUnreachable.data(), before);
  return text;
}

}  // namespace

Result<String> path_text(const FsContext& fs, const Path& path) {
  const Path root = fs.root();
  NamesReadGuard guard;
  return text_from(path, root.mount.get(), root.dentry.get());
}

Result<String> path_text(const Path& path) {
  NamesReadGuard guard;
  const Mount* top = MountTree::root();
  return text_from(path, top, top ? top->root().get() : nullptr);
}

Result<String> root_text(const Mount& mount) {
  NamesReadGuard guard;
  usize length = 0;
  for (const Dentry* at = mount.root().get(); at->parent(); at = at->parent().get())
    length += at->name().size() + 1;
  if (length == 0) return String::copy("/");
  String text = TRY(String::uninitialized(length));
  char* end = text.fill() + length;
  for (const Dentry* at = mount.root().get(); at->parent(); at = at->parent().get()) {
    end -= at->name().size();
    std::memcpy(end, at->name().data(), at->name().size());
    *--end = '/';
  }
  return text;
}

bool is_reachable(const FsContext& fs, const Path& path) {
  const Path root = fs.root();
  NamesReadGuard guard;
  return path.mount && visit_upwards(path.mount.get(), path.dentry.get(), root.mount.get(),
                                     root.dentry.get(), [](std::string_view) {});
}

}  // namespace narwhal::vfs
