// What mounts there are, by number: statmount(2), listmount(2).
#include <cstring>

#include "fs/core/mount.h"
#include "kernel/abi/mount.h"
#include "syscalls/extensible_struct.h"
#include "syscalls/handlers.h"
#include "syscalls/mount_flags.h"

namespace narwhal {
namespace {

// STATMOUNT_*
constexpr u64 kFileSystemBasics = 0x1, kMountBasics = 0x2, kPropagateFrom = 0x4, kRoot = 0x8,
              kPoint = 0x10, kType = 0x20;
constexpr u64 kTexts = kRoot | kPoint | kType;
constexpr u64 kReverse = 1;  // LISTMOUNT_REVERSE

Result<abi::MountIdRequest> load_request(UserAddr address) {
  const u32 size = TRY(load_user<u32>(address));
  const auto request =
      TRY(load_extensible<abi::MountIdRequest>(address, size, abi::kMountIdRequestSizeAtFirst));
  if (request.spare != 0) return Errno::kInval;
  // One name space, which has no number.
  if (request.name_space != 0) return Errno::kNoEnt;
  if (request.mount <= Mount::kUniqueIdOffset) return Errno::kInval;
  return request;
}

Result<Ref<Mount>> find_mount(u64 unique_id) {
  for (Ref<Mount> mount = MountTree::next(nullptr); mount; mount = MountTree::next(mount.get()))
    if (mount->unique_id() == unique_id && !has(mount->flags(), MountFlags::kInternal))
      return mount;
  return Errno::kNoEnt;
}

// Whoever can't come to a mount by a path must be privileged to learn of it.
Result<> may_ask(Task& task, const Mount& mount) {
  const Path root{Ref<Mount>(const_cast<Mount*>(&mount)), mount.root()};
  if (vfs::is_reachable(task.actor().fs, root)) return {};
  return task.credentials().capable(Capability::kSysAdmin) ? Result<>() : Result<>(Errno::kPerm);
}

// The texts behind the structure, one after the other.
class Texts {
 public:
  // Where it begins; with its NUL.
  Result<u32> add(std::string_view text) {
    const u32 at = u32(bytes_.size());
    for (const char c : text) TRY(bytes_.push_back(c));
    TRY(bytes_.push_back('\0'));
    return at;
  }
  const Vector<char>& bytes() const { return bytes_; }

 private:
  Vector<char> bytes_;
};

void describe_file_system(const FileSystem& file_system, abi::StatMount& out) {
  out.device_major = device_major(file_system.device());
  out.device_minor = device_minor(file_system.device());
  out.file_system_flags = file_system.read_only() ? raw(MountFlags::kReadOnly) : 0;
}

void describe_mount(const Mount& mount, abi::StatMount& out) {
  constexpr u64 kPrivate = 1 << 18;  // MS_PRIVATE: nothing propagates
  out.mount = out.parent = mount.unique_id();
  out.old_mount = out.old_parent = mount.id();
  {
    NamesReadGuard guard;
    if (const Mount* parent = mount.parent()) {
      out.parent = parent->unique_id();
      out.old_parent = parent->id();
    }
  }
  out.attributes = mount_attributes(mount.flags());
  out.propagation = kPrivate;
}

}  // namespace

SysResult sys::statmount(Task& task, UserAddr request_address, UserAddr buffer, usize size,
                         HexInt flags) {
  if (flags.value != 0) return Errno::kInval;
  const auto request = TRY(load_request(request_address));
  const Ref<Mount> mount = TRY(find_mount(request.mount));
  TRY(may_ask(task, *mount));
  const FileSystem& file_system = mount->file_system();
  const u64 wanted = request.parameter;
  abi::StatMount out{};
  Texts texts;
  out.mask = wanted & (kFileSystemBasics | kMountBasics | kPropagateFrom | kTexts);
  if (wanted & kFileSystemBasics) {
    describe_file_system(file_system, out);
    out.magic = u64(TRY(mount->file_system().usage()).magic);
  }
  if (wanted & kMountBasics) describe_mount(*mount, out);
  if (wanted & kType) out.type = TRY(texts.add(file_system.type_name()));
  if (wanted & kRoot) out.root = TRY(texts.add(TRY(vfs::root_text(*mount)).view()));
  if (wanted & kPoint) {
    const Path root{mount, mount->root()};
    out.point = TRY(texts.add(TRY(vfs::path_text(task.actor().fs, root)).view()));
  }
  const usize text_size = texts.bytes().size();
  if (text_size != 0 && size < sizeof out + text_size) return Errno::kOverflow;
  out.size = u32(sizeof out + text_size);
  const usize known = size < sizeof out ? size : sizeof out;
  if (platform::copy_to_user(buffer, &out, known) != 0) return Errno::kFault;
  if (text_size != 0 &&
      platform::copy_to_user(buffer + sizeof out, texts.bytes().data(), text_size) != 0)
    return Errno::kFault;
  return i64{0};
}

SysResult sys::listmount(Task& task, UserAddr request_address, UserAddr ids, usize count,
                         HexInt flags) {
  constexpr usize kMostIds = 1'000'000;
  constexpr u64 kFromTheRoot = ~u64{0};  // LSMT_ROOT
  if (flags.value & ~kReverse) return Errno::kInval;
  if (count > kMostIds) return Errno::kOverflow;
  if (!user_range_ok(ids, count * sizeof(u64))) return Errno::kFault;
  const auto request = TRY(load_request(request_address));
  const u64 last = request.parameter;
  if (last != 0 && last <= Mount::kUniqueIdOffset) return Errno::kInval;
  Ref<Mount> top;
  if (request.mount != kFromTheRoot) {
    top = TRY(find_mount(request.mount));
    TRY(may_ask(task, *top));
  }
  // The list of mounts is in the order of their numbers.
  Vector<u64> found;
  const bool reverse = flags.value & kReverse;
  for (Ref<Mount> mount = MountTree::next(nullptr); mount; mount = MountTree::next(mount.get())) {
    const u64 id = mount->unique_id();
    if (has(mount->flags(), MountFlags::kInternal) || mount == top) continue;
    if (last != 0 && (reverse ? id >= last : id <= last)) continue;
    const bool is_there = top ? MountTree::is_below(*mount, *top)
                              : vfs::is_reachable(task.actor().fs, Path{mount, mount->root()});
    if (is_there) TRY(found.push_back(id));
  }
  const usize stored = found.size() < count ? found.size() : count;
  for (usize i = 0; i < stored; ++i)
    TRY(store_user(ids + i * sizeof(u64), found[reverse ? found.size() - 1 - i : i]));
  return i64(stored);
}

}  // namespace narwhal
