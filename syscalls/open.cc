// open(2), openat2(2), creat(2).
#include "kernel/abi/resource.h"
#include "process/absent.h"
#include "syscalls/extensible_struct.h"
#include "syscalls/file_wait.h"
#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"

namespace narwhal {
namespace {

constexpr u32 kTemporaryBit = 020000000;  // __O_TMPFILE: O_TMPFILE without O_DIRECTORY
constexpr OpenFlags kCreating = OpenFlags::kCreate | OpenFlags(kTemporaryBit);
constexpr OpenFlags kPathFlags =
    OpenFlags::kPath | OpenFlags::kDirectory | OpenFlags::kNoFollow | OpenFlags::kCloseOnExec;
constexpr OpenFlags kKnownFlags =
    OpenFlags::kAccessMode | OpenFlags::kCreate | OpenFlags::kExclusive |
    OpenFlags::kNoControllingTty | OpenFlags::kTruncate | OpenFlags::kAppend |
    OpenFlags::kNonBlock | OpenFlags::kSync | OpenFlags::kAsync | OpenFlags::kDirect |
    OpenFlags::kLargeFile | OpenFlags::kDirectory | OpenFlags::kNoFollow |
    OpenFlags::kNoAccessTime | OpenFlags::kCloseOnExec | OpenFlags::kPath | OpenFlags::kTemporary;

constexpr ResolveFlags kKnownResolve = ResolveFlags::kNoXdev | ResolveFlags::kNoMagicLinks |
                                       ResolveFlags::kNoSymlinks | ResolveFlags::kBeneath |
                                       ResolveFlags::kInRoot | ResolveFlags::kCached;

struct OpenHow {  // struct open_how
  u64 flags;
  u64 mode;
  u64 resolve;
};

// What both kinds of open refuse.
Result<> check_flags(OpenFlags flags, ResolveFlags resolve) {
  const bool path_only = has(flags, OpenFlags::kPath);
  if (!path_only && has(flags, OpenFlags::kCreate) && has(flags, OpenFlags::kDirectory))
    return Errno::kInval;
  if (raw(flags) & kTemporaryBit) {
    if (!has(flags, OpenFlags::kDirectory) || has(flags, OpenFlags::kCreate)) return Errno::kInval;
    if (!writable(flags)) return Errno::kInval;
  }
  if (has(resolve, ResolveFlags::kCached) && has(flags, kCreating | OpenFlags::kTruncate))
    return Errno::kAgain;
  return {};
}

SysResult open_file(Task& task, DirFd dir, UserString path, OpenFlags flags, u32 mode,
                    ResolveFlags resolve) {
  TRY(check_flags(flags, resolve));
  PathArgument argument;
  TRY(argument.load(task, dir, path));
  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  auto opened = attempt_with_leases(!has(flags, OpenFlags::kNonBlock), [&] {
    return vfs::open(task.actor(), argument.start(), argument.view(), flags, mode, resolve);
  });
  if (opened.failed(Errno::kNoEnt)) note_absent(Lookup::kOpen, argument.view());
  FileRef file = TRY(std::move(opened));
  // A FIFO waits for its other end.
  TRY(attempt_on(*file, PollEvents::kAll, true, [&] { return file->finish_open(); }));
  return i64(std::move(fd).commit(std::move(file), has(flags, OpenFlags::kCloseOnExec)));
}

// open(2) and openat(2) overlook what they do not know.
SysResult open_leniently(Task& task, DirFd dir, UserString path, OpenFlags flags, u32 mode) {
  flags &= has(flags, OpenFlags::kPath) ? kPathFlags : kKnownFlags;
  return open_file(task, dir, path, flags, mode & kPermissionMask, ResolveFlags::kNone);
}

}  // namespace

SysResult sys::open(Task& task, UserString path, OpenFlags flags, Mode mode) {
  return open_leniently(task, DirFd{kAtFdCwd}, path, flags, mode.value);
}

SysResult sys::openat(Task& task, DirFd dir, UserString path, OpenFlags flags, Mode mode) {
  return open_leniently(task, dir, path, flags, mode.value);
}

SysResult sys::creat(Task& task, UserString path, Mode mode) {
  return open_leniently(task, DirFd{kAtFdCwd}, path,
                        OpenFlags::kCreate | OpenFlags::kWriteOnly | OpenFlags::kTruncate,
                        mode.value);
}

SysResult sys::openat2(Task& task, DirFd dir, UserString path, UserAddr how_address, usize size) {
  const OpenHow how = TRY(load_extensible<OpenHow>(how_address, size));
  const OpenFlags flags = OpenFlags(u32(how.flags));
  const ResolveFlags resolve = ResolveFlags(how.resolve);
  if (how.flags >> 32 || !has_only(flags, kKnownFlags)) return Errno::kInval;
  if (!has_only(resolve, kKnownResolve)) return Errno::kInval;
  if (has(resolve, ResolveFlags::kBeneath) && has(resolve, ResolveFlags::kInRoot))
    return Errno::kInval;
  if (how.mode & ~u64{has(flags, kCreating) ? kPermissionMask : 0}) return Errno::kInval;
  if (has(flags, OpenFlags::kPath) && !has_only(flags, kPathFlags)) return Errno::kInval;
  return open_file(task, dir, path, flags, u32(how.mode), resolve);
}

}  // namespace narwhal
