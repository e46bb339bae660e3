// open(2).
#include "fs/core/create.h"
#include "fs/core/lease.h"
#include "fs/core/notify.h"
#include "fs/core/path_file.h"
#include "fs/core/path_walk.h"
#include "fs/core/permission.h"
#include "kernel/base/format.h"

namespace narwhal {

Result<String> PathFile::link_text() const {
  return vfs::path_text(path_);
}

namespace vfs {
namespace {

// What an open description keeps of the flags that it was opened with.
constexpr OpenFlags kOpeningFlags = OpenFlags::kCreate | OpenFlags::kExclusive |
                                    OpenFlags::kNoControllingTty | OpenFlags::kTruncate |
                                    OpenFlags::kCloseOnExec;

constexpr bool is_temporary(OpenFlags flags) {
  return (flags & OpenFlags::kTemporary) == OpenFlags::kTemporary;
}

u32 wanted_access(OpenFlags flags) {
  constexpr u32 kByMode[] = {kMayRead, kMayWrite, kMayRead | kMayWrite, kMayRead | kMayWrite};
  u32 mask = kByMode[raw(flags & OpenFlags::kAccessMode)];
  if (has(flags, OpenFlags::kTruncate)) mask |= kMayWrite;
  return mask;
}

// Whether what was found may be opened so. Takes no lock and allocates nothing.
Result<> check_open(const Credentials& who, const Mount& mount, const Inode& inode,
                    OpenFlags flags) {
  if (has(flags, OpenFlags::kDirectory) && !inode.is_directory()) return Errno::kNotDir;
  if (has(flags, OpenFlags::kPath)) return {};
  const u32 access = wanted_access(flags);
  switch (inode.type()) {
    case FileType::kSymlink:
      return Errno::kLoop;
    case FileType::kDirectory:
      if (access & kMayWrite) return Errno::kIsDir;
      break;
    case FileType::kCharacterDevice:
    case FileType::kBlockDevice:
      if (has(mount.flags(), MountFlags::kNoDevices)) return Errno::kAcces;
      break;
    default:
      break;
  }
  TRY(check_permission(who, inode, access));
  if (inode.append_only()) {
    if (writable(flags) && !has(flags, OpenFlags::kAppend)) return Errno::kPerm;
    if (has(flags, OpenFlags::kTruncate)) return Errno::kPerm;
  }
  if (has(flags, OpenFlags::kNoAccessTime) && !owns(who, inode)) return Errno::kPerm;
  if ((access & kMayWrite) && mount.read_only() && is_stored(inode)) return Errno::kRoFs;
  return {};
}

Result<FileRef> open_checked(const Credentials& who, const Path& place, OpenFlags flags) {
  if (has(flags, OpenFlags::kPath))
    return FileRef(TRY(make_ref<PathFile>(place, flags & ~OpenFlags::kCloseOnExec)));
  Inode& inode = place.dentry->inode();
  // A terminal wants to know whether it may become the caller's, a disk whether it is to be the
  // caller's alone.
  const OpenFlags told =
      inode.type() == FileType::kCharacterDevice ? kOpeningFlags & ~OpenFlags::kNoControllingTty
      : inode.type() == FileType::kBlockDevice   ? kOpeningFlags & ~OpenFlags::kExclusive
                                                 : kOpeningFlags;
  const bool changes = writable(flags) || has(flags, OpenFlags::kTruncate);
  if (inode.is_regular()) TRY(Leases::break_for(inode, changes));
  FileRef file = TRY(inode.open(place, (flags & ~told) | OpenFlags::kLargeFile));
  notify::about_dentry(*place.dentry, notify::kOpen);
  // Now nobody can get a lease that conflicts; but somebody may have got one just before.
  if (inode.is_regular()) TRY(Leases::break_for(inode, changes));
  if (has(flags, OpenFlags::kTruncate) && inode.is_regular()) {
    TRY(inode.begin_writing());
    auto truncated = inode.truncate(0);
    inode.end_writing();
    if (!truncated.ok()) return truncated.error();
    drop_set_id(who, inode);
    notify::about_dentry(*place.dentry, notify::kModify);
  }
  return file;
}

Result<FileRef> open_unnamed(const Actor& actor, const Path& start, std::string_view path,
                             OpenFlags flags, u32 mode, ResolveFlags resolve) {
  Path directory;
  {
    PathWalk walk(actor, start, path, resolve);
    TRY(walk.to_end(true));
    if (!walk.inode().is_directory()) return Errno::kNotDir;
    directory = TRY(walk.finish());
  }
  TRY(may_create(actor.who, directory));
  Inode& inode = directory.dentry->inode();
  Ref<Inode> fresh =
      TRY(inode.create_unnamed(new_mode(inode, actor.who, mode, actor.fs.umask()), actor.who));
  fresh->set_awaits_name(!has(flags, OpenFlags::kExclusive));
  Text<24> name;
  name << '#' << fresh->number();
  Ref<Dentry> dentry = TRY(Dentry::create(directory.dentry, name.view(), std::move(fresh)));
  dentry->mark_unlinked();
  FileRef file = TRY(dentry->inode().open(
      Path{directory.mount, dentry},
      (flags & ~(kOpeningFlags | OpenFlags::kDirectory)) | OpenFlags::kLargeFile));
  return file;
}

Result<FileRef> open_or_create(const Actor& actor, const Path& start, std::string_view path,
                               OpenFlags flags, u32 mode, ResolveFlags resolve) {
  const bool exclusive = has(flags, OpenFlags::kExclusive);
  const bool follow = !exclusive && !has(flags, OpenFlags::kNoFollow);
  for (;;) {
    PathWalk walk(actor, start, path, resolve);
    TRY(walk.to_parent());
    if (walk.last_has_slash()) return Errno::kIsDir;
    TRY(walk.step_last(follow));
    if (walk.found()) {
      if (exclusive) return Errno::kExist;
      if (walk.inode().is_directory()) return Errno::kIsDir;
      TRY(check_open(actor.who, walk.mount(), walk.inode(), flags));
      return open_checked(actor.who, TRY(walk.finish()), flags);
    }
    // A link may lead to a name with a slash behind it.
    if (walk.last_has_slash()) return Errno::kIsDir;
    const NewName name(walk.last_name());
    Path parent = TRY(walk.finish());
    auto created =
        create_entry(actor.who, parent, name, FileType::kRegular,
                     new_mode(parent.dentry->inode(), actor.who, mode, actor.fs.umask()), 0);
    if (created.failed(Errno::kExist) && !exclusive) continue;
    if (!created.ok()) return created.error();
    // What was just made is opened whatever its mode says.
    FileRef file = TRY(
        open_checked(actor.who, Path{parent.mount, created.take()}, flags & ~OpenFlags::kTruncate));
    file->set_created();
    return file;
  }
}

}  // namespace

Result<FileRef> open(const Actor& actor, const Path& start, std::string_view path, OpenFlags flags,
                     u32 mode, ResolveFlags resolve) {
  if (has(flags, OpenFlags::kPath)) {
    flags &=
        OpenFlags::kPath | OpenFlags::kDirectory | OpenFlags::kNoFollow | OpenFlags::kCloseOnExec;
  } else if (is_temporary(flags)) {
    return open_unnamed(actor, start, path, flags, mode, resolve);
  } else if (has(flags, OpenFlags::kCreate)) {
    return open_or_create(actor, start, path, flags, mode, resolve);
  }
  PathWalk walk(actor, start, path, resolve);
  TRY(walk.to_end(!has(flags, OpenFlags::kNoFollow)));
  TRY(check_open(actor.who, walk.mount(), walk.inode(), flags));
  return open_checked(actor.who, TRY(walk.finish()), flags);
}

Result<FileRef> open_path(const Actor& actor, const Path& path, OpenFlags flags) {
  TRY(check_open(actor.who, *path.mount, path.dentry->inode(), flags));
  return open_checked(actor.who, path, flags);
}

Result<Path> lookup(const Actor& actor, const Path& start, std::string_view path,
                    LookupFlags flags) {
  if (path.empty() && has(flags, LookupFlags::kEmptyPath)) {
    Path place = start ? start : actor.fs.working_directory();
    if (has(flags, LookupFlags::kDirectory) && !place.dentry->inode().is_directory())
      return Errno::kNotDir;
    return place;
  }
  PathWalk walk(actor, start, path);
  TRY(walk.to_end(has(flags, LookupFlags::kFollow)));
  if (has(flags, LookupFlags::kDirectory) && !walk.inode().is_directory()) return Errno::kNotDir;
  return walk.finish();
}

}  // namespace vfs
}  // namespace narwhal
