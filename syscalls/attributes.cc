// Modes, owners, times, sizes and rights of files: chmod(2), chown(2), utimensat(2), truncate(2),
// access(2).
#include "fs/core/inode.h"
#include "kernel/abi/time.h"
#include "syscalls/file_wait.h"
#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"

namespace narwhal {
namespace {

constexpr DirFd kHere{kAtFdCwd};
constexpr u32 kNoFollowOrEmpty = kAtSymlinkNoFollow | kAtEmptyPath;
using Change = AttributeChange;

SysResult change_path(Task& task, DirFd dir, UserString path, u32 flags, const Change& change) {
  PathArgument argument;
  TRY(argument.load(task, dir, path, flags));
  const Path place = TRY(argument.find(task.actor(), flags));
  TRY(vfs::change_attributes(task.actor(), place, change));
  return i64{0};
}

// Pipes and sockets have attributes of their own on Linux, which nothing looks at; they do not keep
// them here.
SysResult change_file(Task& task, Fd fd, const Change& change) {
  auto file = TRY(task.files().get(fd.value));
  const Path* place = file->path();
  if (!place) return i64{0};
  TRY(vfs::change_attributes(task.actor(), *place, change));
  return i64{0};
}

Change mode_change(Mode mode) {
  Change change;
  change.fields = Change::kMode;
  change.mode = mode.value & kPermissionMask;
  return change;
}

Change owner_change(u32 uid, u32 gid) {
  constexpr u32 kUnchanged = ~u32{0};
  Change change;
  if (uid != kUnchanged) change.fields |= Change::kUid;
  if (gid != kUnchanged) change.fields |= Change::kGid;
  change.uid = uid;
  change.gid = gid;
  return change;
}

// --- times

constexpr i64 kNow = 0x3fffffff;   // UTIME_NOW
constexpr i64 kOmit = 0x3ffffffe;  // UTIME_OMIT

struct Times {
  abi::TimeSpec accessed{0, kNow}, modified{0, kNow};
  bool nothing() const { return accessed.nanoseconds == kOmit && modified.nanoseconds == kOmit; }
};

// struct timespec[2] or, null, now.
Result<Times> load_times(UserAddr address) {
  Times times;
  if (address.value == 0) return times;
  times.accessed = TRY(load_user<abi::TimeSpec>(address));
  times.modified = TRY(load_user<abi::TimeSpec>(address + sizeof(abi::TimeSpec)));
  return times;
}

// struct timeval[2].
Result<Times> load_old_times(UserAddr address) {
  Times times;
  if (address.value == 0) return times;
  const auto accessed = TRY(load_user<abi::TimeVal>(address));
  const auto modified = TRY(load_user<abi::TimeVal>(address + sizeof(abi::TimeVal)));
  const auto valid = [](const abi::TimeVal& time) {
    return time.microseconds >= 0 && time.microseconds < 1'000'000;
  };
  if (!valid(accessed) || !valid(modified)) return Errno::kInval;
  times.accessed = {accessed.seconds, accessed.microseconds * 1000};
  times.modified = {modified.seconds, modified.microseconds * 1000};
  return times;
}

Result<> set_time(const abi::TimeSpec& given, abi::TimeSpec& out, u32& fields, u32 explicit_field,
                  u32 now_field) {
  if (given.nanoseconds == kOmit) return {};
  if (given.nanoseconds == kNow) {
    fields |= now_field;
    return {};
  }
  if (given.nanoseconds < 0 || given.nanoseconds >= i64(kNanosPerSecond)) return Errno::kInval;
  out = given;
  fields |= explicit_field;
  return {};
}

Result<Change> time_change(const Times& times) {
  Change change;
  TRY(set_time(times.accessed, change.accessed, change.fields, Change::kAccessTime,
               Change::kAccessTimeNow));
  TRY(set_time(times.modified, change.modified, change.fields, Change::kModifyTime,
               Change::kModifyTimeNow));
  return change;
}

// A null path means the descriptor itself.
SysResult set_times(Task& task, DirFd dir, UserString path, const Times& times, u32 flags) {
  if (flags & ~kNoFollowOrEmpty) return Errno::kInval;
  if (path.null() && dir.value != kAtFdCwd) {
    if (flags != 0) return Errno::kInval;
    auto file = TRY(task.files().get(dir.value));
    const Change change = TRY(time_change(times));
    const Path* place = file->path();
    if (!place) return i64{0};
    TRY(vfs::change_attributes(task.actor(), *place, change));
    return i64{0};
  }
  PathArgument argument;
  TRY(argument.load(task, dir, path, flags));
  const Path place = TRY(argument.find(task.actor(), flags));
  const Change change = TRY(time_change(times));
  TRY(vfs::change_attributes(task.actor(), place, change));
  return i64{0};
}

// --- rights

// access(2) asks for the real user, with the capabilities that it would have.
Result<CredentialsRef> real_credentials(const CredentialsRef& effective) {
  constexpr u32 kNoSetuidFixup = 4;  // SECBIT_NO_SETUID_FIXUP
  const Credentials& who = *effective;
  u64 capabilities = who.effective;
  if (!(who.securebits & kNoSetuidFixup)) capabilities = who.uid == 0 ? who.permitted : 0;
  if (who.uid == who.fsuid && who.gid == who.fsgid && capabilities == who.effective)
    return effective;
  auto real = TRY(who.copy());
  real->fsuid = who.uid;
  real->fsgid = who.gid;
  real->effective = capabilities;
  return CredentialsRef(std::move(real));
}

SysResult check_access(Task& task, DirFd dir, UserString path, u32 mode, u32 flags) {
  constexpr u32 kKnown = kAtEffectiveAccess | kNoFollowOrEmpty;
  if (mode & ~u32{vfs::kMayRead | vfs::kMayWrite | vfs::kMayExecute}) return Errno::kInval;
  if (flags & ~kKnown) return Errno::kInval;
  CredentialsRef who = task.credentials_ref();
  if (!(flags & kAtEffectiveAccess)) who = TRY(real_credentials(who));
  const vfs::Actor actor{task.fs(), *who};
  PathArgument argument;
  TRY(argument.load(task, dir, path, flags));
  const Path place = TRY(argument.find(actor, flags));
  TRY(vfs::check_access(*who, place, mode));
  return i64{0};
}

}  // namespace

SysResult sys::chmod(Task& task, UserString path, Mode mode) {
  return change_path(task, kHere, path, 0, mode_change(mode));
}
SysResult sys::fchmod(Task& task, Fd fd, Mode mode) {
  return change_file(task, fd, mode_change(mode));
}
SysResult sys::fchmodat(Task& task, DirFd dir, UserString path, Mode mode) {
  return change_path(task, dir, path, 0, mode_change(mode));
}
SysResult sys::fchmodat2(Task& task, DirFd dir, UserString path, Mode mode, HexInt flags) {
  if (flags.value & ~kNoFollowOrEmpty) return Errno::kInval;
  return change_path(task, dir, path, flags.value, mode_change(mode));
}

SysResult sys::chown(Task& task, UserString path, u32 uid, u32 gid) {
  return change_path(task, kHere, path, 0, owner_change(uid, gid));
}
SysResult sys::lchown(Task& task, UserString path, u32 uid, u32 gid) {
  return change_path(task, kHere, path, kAtSymlinkNoFollow, owner_change(uid, gid));
}
SysResult sys::fchown(Task& task, Fd fd, u32 uid, u32 gid) {
  return change_file(task, fd, owner_change(uid, gid));
}
SysResult sys::fchownat(Task& task, DirFd dir, UserString path, u32 uid, u32 gid, HexInt flags) {
  if (flags.value & ~kNoFollowOrEmpty) return Errno::kInval;
  return change_path(task, dir, path, flags.value, owner_change(uid, gid));
}

SysResult sys::utime(Task& task, UserString path, UserAddr address) {
  Times times;
  if (address.value != 0) {  // struct utimbuf: seconds
    times.accessed = {TRY(load_user<i64>(address)), 0};
    times.modified = {TRY(load_user<i64>(address + sizeof(i64))), 0};
  }
  return set_times(task, kHere, path, times, 0);
}
SysResult sys::utimes(Task& task, UserString path, UserAddr times) {
  return futimesat(task, kHere, path, times);
}
SysResult sys::futimesat(Task& task, DirFd dir, UserString path, UserAddr times) {
  return set_times(task, dir, path, TRY(load_old_times(times)), 0);
}
SysResult sys::utimensat(Task& task, DirFd dir, UserString path, UserAddr address, HexInt flags) {
  const Times times = TRY(load_times(address));
  // Nothing to do: not even the path is looked at.
  if (times.nothing()) return i64{0};
  return set_times(task, dir, path, times, flags.value);
}

SysResult sys::truncate(Task& task, UserString path, i64 size) {
  if (size < 0) return Errno::kInval;
  PathArgument argument;
  TRY(argument.load(task, path));
  const Path place = TRY(argument.find(task.actor()));
  TRY(check_size_limit(task, place.dentry->inode(), u64(size)));
  TRY(attempt_with_leases(true, [&] { return vfs::truncate(task.actor(), place, u64(size)); }));
  return i64{0};
}

SysResult sys::access(Task& task, UserString path, HexInt mode) {
  return check_access(task, kHere, path, mode.value, 0);
}
SysResult sys::faccessat(Task& task, DirFd dir, UserString path, HexInt mode) {
  return check_access(task, dir, path, mode.value, 0);
}
SysResult sys::faccessat2(Task& task, DirFd dir, UserString path, HexInt mode, HexInt flags) {
  return check_access(task, dir, path, mode.value, flags.value);
}

}  // namespace narwhal
