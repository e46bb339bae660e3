// chmod(2), chown(2), utimensat(2), truncate(2), readlink(2), xattr(7).
#include "fs/core/clock.h"
#include "fs/core/lease.h"
#include "fs/core/notify.h"
#include "fs/core/permission.h"

namespace narwhal::vfs {
namespace {

using Change = AttributeChange;

constexpr u32 kExplicitTimes = Change::kAccessTime | Change::kModifyTime;
constexpr u32 kTimesNow = Change::kAccessTimeNow | Change::kModifyTimeNow;

Result<> check_chown(const Credentials& who, const Inode& inode, const Change& change) {
  if (who.capable(Capability::kChown)) return {};
  const bool own = who.fsuid == inode.uid();
  if ((change.fields & Change::kUid) && !(own && change.uid == inode.uid())) return Errno::kPerm;
  if ((change.fields & Change::kGid) &&
      !(own && (change.gid == inode.gid() || who.in_group(change.gid))))
    return Errno::kPerm;
  return {};
}

// Both times set to now is what writing would do (utimensat(2)).
bool is_like_writing(const Change& change) {
  return !(change.fields & kExplicitTimes) && (change.fields & kTimesNow) == kTimesNow;
}

Result<> check_times(const Credentials& who, const Inode& inode, const Change& change) {
  if (owns(who, inode)) return {};
  // So whoever may write may.
  if (!is_like_writing(change)) return Errno::kPerm;
  return check_permission(who, inode, kMayWrite);
}

// What an immutable or append-only file does not let happen to it.
Result<> check_flags(const Inode& inode, const Change& change) {
  if (inode.flags() == 0) [[likely]]
    return {};
  constexpr u32 kTimes = kExplicitTimes | kTimesNow;
  const bool touched = (change.fields & kTimes) && is_like_writing(change);
  u32 refused = Change::kMode | Change::kUid | Change::kGid;
  if (!touched) refused |= kTimes;
  if ((inode.immutable() || inode.append_only()) && (change.fields & refused)) return Errno::kPerm;
  return inode.immutable() && touched ? Result<>(Errno::kPerm) : Result<>();
}

// The mode after a change of owner, which takes the set-ID bits of a program away (chown(2)).
u32 mode_after_chown(const Credentials& who, const Inode& inode) {
  constexpr u32 kGroupExecute = 010;
  u32 mode = inode.mode() & ~kSetUid;
  if ((mode & kGroupExecute) || (!who.in_group(inode.gid()) && !who.capable(Capability::kFsetid)))
    mode &= ~kSetGid;
  return mode;
}

}  // namespace

Result<> change_attributes(const Actor& actor, const Path& path, const AttributeChange& wanted) {
  if (path.mount->read_only()) return Errno::kRoFs;
  Inode& inode = path.dentry->inode();
  Change change = wanted;
  TRY(check_flags(inode, change));
  if (change.fields & (Change::kUid | Change::kGid)) TRY(check_chown(actor.who, inode, change));
  if (change.fields & Change::kMode) {
    if (inode.is_symlink()) return Errno::kOpNotSupp;
    if (!owns(actor.who, inode)) return Errno::kPerm;
    const u32 group = change.fields & Change::kGid ? change.gid : inode.gid();
    if (!actor.who.in_group(group) && !actor.who.capable(Capability::kFsetid))
      change.mode &= ~kSetGid;
  } else if ((change.fields & (Change::kUid | Change::kGid)) && !inode.is_directory() &&
             (inode.mode() & (kSetUid | kSetGid))) {
    change.fields |= Change::kMode;
    change.mode = mode_after_chown(actor.who, inode);
  }
  if (change.fields & (kExplicitTimes | kTimesNow)) TRY(check_times(actor.who, inode, change));
  TRY(inode.set_attributes(change));
  notify::about_dentry(*path.dentry, notify::kAttributes);
  return {};
}

Result<> change_flags(const Actor& actor, const Path& path, u8 flags) {
  if (path.mount->read_only()) return Errno::kRoFs;
  Inode& inode = path.dentry->inode();
  if (!owns(actor.who, inode)) return Errno::kPerm;
  constexpr u8 kRestricting = kInodeImmutable | kInodeAppendOnly;
  if (((flags ^ inode.flags()) & kRestricting) && !actor.who.capable(Capability::kLinuxImmutable))
    return Errno::kPerm;
  inode.set_flags(flags);
  inode.set_changed(current_file_time());
  notify::about_dentry(*path.dentry, notify::kAttributes);
  return {};
}

void drop_set_id(const Credentials& who, Inode& inode) {
  constexpr u32 kGroupExecute = 010;
  if (!inode.is_regular() || who.capable(Capability::kFsetid)) return;
  u32 mode = inode.mode() & ~kSetUid;
  // Without the group's right to execute, the bit once meant mandatory locks.
  if (mode & kGroupExecute) mode &= ~kSetGid;
  inode.set_mode(mode);
}

Result<> truncate(const Actor& actor, const Path& path, u64 size) {
  Inode& inode = path.dentry->inode();
  if (inode.is_directory()) return Errno::kIsDir;
  if (!inode.is_regular()) return Errno::kInval;
  if (path.mount->read_only()) return Errno::kRoFs;
  TRY(check_permission(actor.who, inode, kMayWrite));
  if (inode.append_only()) return Errno::kPerm;
  TRY(Leases::break_for(inode, true));
  TRY(inode.begin_writing());
  auto done = inode.truncate(size);
  inode.end_writing();
  if (!done.ok()) return done;
  drop_set_id(actor.who, inode);
  notify::about_dentry(*path.dentry, notify::kModify);
  return {};
}

Result<String> read_link(const Actor&, const Path& path) {
  Inode& inode = path.dentry->inode();
  if (!inode.is_symlink()) return Errno::kInval;
  return inode.read_link();
}

namespace {

bool has_prefix(std::string_view name, std::string_view prefix) {
  return name.size() > prefix.size() && name.starts_with(prefix);
}

// The rules of each name space of xattr(7).
Result<> check_xattr(const Actor& actor, const Path& path, std::string_view name, u32 mask) {
  const Inode& inode = path.dentry->inode();
  const bool writing = mask & kMayWrite;
  if (writing && path.mount->read_only()) return Errno::kRoFs;
  if (writing && (inode.immutable() || inode.append_only())) return Errno::kPerm;
  if (has_prefix(name, "security.")) {
    // Reading is free; what the kernel trusts may only be written by those who may anyway.
    if (!writing) return {};
    const Capability needed =
        name == "security.capability" ? Capability::kSetfcap : Capability::kSysAdmin;
    return actor.who.capable(needed) ? Result<>() : Result<>(Errno::kPerm);
  }
  if (has_prefix(name, "trusted.")) {
    if (!actor.who.capable(Capability::kSysAdmin)) return writing ? Errno::kPerm : Errno::kNoData;
    return {};
  }
  if (has_prefix(name, "user.")) {
    if (!inode.is_regular() && !inode.is_directory())
      return writing ? Errno::kPerm : Errno::kNoData;
    if (writing && inode.is_directory() && (inode.mode() & kSticky) && !owns(actor.who, inode))
      return Errno::kPerm;
    return check_permission(actor.who, inode, mask);
  }
  // A name space and nothing in it.
  if (name == "security." || name == "trusted." || name == "user.") return Errno::kInval;
  return Errno::kOpNotSupp;
}

}  // namespace

Result<usize> get_xattr(const Actor& actor, const Path& path, std::string_view name,
                        std::span<std::byte> out) {
  TRY(check_xattr(actor, path, name, kMayRead));
  return path.dentry->inode().get_xattr(name, out);
}

Result<> set_xattr(const Actor& actor, const Path& path, std::string_view name,
                   std::span<const std::byte> value, int flags) {
  TRY(check_xattr(actor, path, name, kMayWrite));
  TRY(path.dentry->inode().set_xattr(name, value, flags));
  notify::about_dentry(*path.dentry, notify::kAttributes);
  return {};
}

Result<> remove_xattr(const Actor& actor, const Path& path, std::string_view name) {
  TRY(check_xattr(actor, path, name, kMayWrite));
  TRY(path.dentry->inode().remove_xattr(name));
  notify::about_dentry(*path.dentry, notify::kAttributes);
  return {};
}

Result<usize> list_xattr(const Actor& actor, const Path& path, std::span<char> out) {
  return path.dentry->inode().list_xattr(out, actor.who.capable(Capability::kSysAdmin));
}

}  // namespace narwhal::vfs
