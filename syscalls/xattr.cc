// Extended attributes: setxattr(2), getxattr(2), listxattr(2), removexattr(2), by path, by link and
// by descriptor.
#include "fs/core/inode.h"
#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"

namespace narwhal {
namespace {

constexpr usize kMaxName = 255;     // XATTR_NAME_MAX
constexpr usize kMaxSize = 65'536;  // XATTR_SIZE_MAX, XATTR_LIST_MAX
constexpr u32 kCreate = 1;
constexpr u32 kReplace = 2;

// ERANGE for a name that is empty or too long.
Result<> load_name(UserText& text, UserString name) {
  auto loaded = text.load(name, kMaxName + 1);
  if (loaded.failed(Errno::kNameTooLong) || (loaded.ok() && text.view().empty()))
    return Errno::kRange;
  return loaded;
}

Result<Path> find(Task& task, UserString path, bool follow) {
  PathArgument argument;
  TRY(argument.load(task, path));
  return argument.find(task.actor(), follow ? 0 : kAtSymlinkNoFollow);
}

// EOPNOTSUPP for what has no place among names: pipes, sockets and the like have no attributes.
Result<Path> find(Task& task, Fd fd) {
  auto file = TRY(task.files().get(fd.value));
  const Path* place = file->path();
  return place ? Result<Path>(*place) : Result<Path>(Errno::kOpNotSupp);
}

// Each call comes in three kinds that only differ in how the file is found.
template <typename... Where>
SysResult set(Task& task, UserString name, UserAddr value, usize size, u32 flags, Where... where) {
  if (flags & ~(kCreate | kReplace)) return Errno::kInval;
  const Path place = TRY(find(task, where...));
  UserText text;
  TRY(load_name(text, name));
  if (size > kMaxSize) return Errno::kTooBig;
  const Vector<std::byte> bytes = TRY(UserIn<std::byte>{value}.load_array(size));
  TRY(vfs::set_xattr(task.actor(), place, text.view(), bytes, int(flags)));
  return i64{0};
}

template <typename... Where>
SysResult get(Task& task, UserString name, UserAddr value, usize size, Where... where) {
  const Path place = TRY(find(task, where...));
  UserText text;
  TRY(load_name(text, name));
  Vector<std::byte> bytes;
  TRY(bytes.resize(size < kMaxSize ? size : kMaxSize));
  const usize length = TRY(vfs::get_xattr(task.actor(), place, text.view(),
                                          std::span<std::byte>(bytes.data(), bytes.size())));
  if (size != 0 && platform::copy_to_user(value, bytes.data(), length) != 0) return Errno::kFault;
  return i64(length);
}

template <typename... Where>
SysResult list(Task& task, UserAddr out, usize size, Where... where) {
  const Path place = TRY(find(task, where...));
  Vector<char> names;
  TRY(names.resize(size < kMaxSize ? size : kMaxSize));
  const usize length =
      TRY(vfs::list_xattr(task.actor(), place, std::span<char>(names.data(), names.size())));
  if (size != 0 && platform::copy_to_user(out, names.data(), length) != 0) return Errno::kFault;
  return i64(length);
}

template <typename... Where>
SysResult remove(Task& task, UserString name, Where... where) {
  const Path place = TRY(find(task, where...));
  UserText text;
  TRY(load_name(text, name));
  TRY(vfs::remove_xattr(task.actor(), place, text.view()));
  return i64{0};
}

}  // namespace

SysResult sys::setxattr(Task& task, UserString path, UserString name, UserAddr value, usize size,
                        HexInt flags) {
  return set(task, name, value, size, flags.value, path, true);
}
SysResult sys::lsetxattr(Task& task, UserString path, UserString name, UserAddr value, usize size,
                         HexInt flags) {
  return set(task, name, value, size, flags.value, path, false);
}
SysResult sys::fsetxattr(Task& task, Fd fd, UserString name, UserAddr value, usize size,
                         HexInt flags) {
  return set(task, name, value, size, flags.value, fd);
}

SysResult sys::getxattr(Task& task, UserString path, UserString name, UserAddr value, usize size) {
  return get(task, name, value, size, path, true);
}
SysResult sys::lgetxattr(Task& task, UserString path, UserString name, UserAddr value, usize size) {
  return get(task, name, value, size, path, false);
}
SysResult sys::fgetxattr(Task& task, Fd fd, UserString name, UserAddr value, usize size) {
  return get(task, name, value, size, fd);
}

SysResult sys::listxattr(Task& task, UserString path, UserAddr names, usize size) {
  return list(task, names, size, path, true);
}
SysResult sys::llistxattr(Task& task, UserString path, UserAddr names, usize size) {
  return list(task, names, size, path, false);
}
SysResult sys::flistxattr(Task& task, Fd fd, UserAddr names, usize size) {
  return list(task, names, size, fd);
}

SysResult sys::removexattr(Task& task, UserString path, UserString name) {
  return remove(task, name, path, true);
}
SysResult sys::lremovexattr(Task& task, UserString path, UserString name) {
  return remove(task, name, path, false);
}
SysResult sys::fremovexattr(Task& task, Fd fd, UserString name) {
  return remove(task, name, fd);
}

}  // namespace narwhal
