#include "fs/core/create.h"

#include "fs/core/notify.h"
#include "fs/core/path_walk.h"
#include "fs/core/permission.h"

namespace narwhal::vfs {

u32 new_mode(const Inode& directory, const Credentials& who, u32 mode, u32 umask) {
  // By what the program asked for: the umask must not hide that a group may execute it.
  return new_inode_owner(directory, who, FileType::kRegular, mode & kPermissionMask).mode & ~umask;
}

NewOwner new_inode_owner(const Inode& directory, const Credentials& who, FileType type, u32 mode) {
  NewOwner owner{mode, who.fsuid, who.fsgid};
  if (!(directory.mode() & kSetGid)) return owner;
  owner.gid = directory.gid();
  constexpr u32 kGroupExecute = 010;
  if (type == FileType::kDirectory)
    owner.mode |= kSetGid;
  else if ((mode & (kSetGid | kGroupExecute)) == (kSetGid | kGroupExecute) &&
           !who.in_group(owner.gid) && !who.capable(Capability::kFsetid))
    owner.mode &= ~kSetGid;
  return owner;
}

namespace {

// A name that is still used here may have gone where it is kept: it makes way for a new one.
Result<> take_stale_name(Dentry& parent, const NewName& name, Ref<Dentry>& stale) {
  if (!parent.inode().lookup(name.view()).failed(Errno::kNoEnt)) return Errno::kExist;
  NamesWriteGuard guard;
  if (Dentry* there = DentryTree::find(parent, name.view(), DentryTree::hash(name.view())))
    stale = DentryTree::unlink(*there);
  return {};
}

// Adds a name, made by `make(inode of the directory)`.
template <typename Make>
Result<Ref<Dentry>> add_entry(const Credentials& who, const Path& directory, const NewName& name,
                              Make make) {
  Dentry& parent = *directory.dentry;
  TRY(DentryTree::reserve(parent));
  Ref<Dentry> dentry = TRY(Dentry::create(directory.dentry, name.view()));
  FileSystem& file_system = parent.inode().file_system();
  Guard names(file_system.names_mutex());
  Ref<Dentry> stale;
  if (file_system.names() == FileSystem::Names::kRemote) TRY(take_stale_name(parent, name, stale));
  {
    NamesReadGuard guard;
    if (DentryTree::find(parent, name.view(), DentryTree::hash(name.view()))) return Errno::kExist;
  }
  TRY(may_create(who, directory));
  dentry->set_inode(TRY(make(parent.inode())));
  {
    NamesWriteGuard guard;
    DentryTree::link(*dentry);
  }
  u32 event = notify::kCreate;
  if (dentry->inode().is_directory()) event |= notify::kIsDirectory;
  notify::about_entry(parent.inode(), event, name.view());
  return dentry;
}

// Where a new name shall go. Fails with EEXIST for what can't be new.
struct NewPlace {
  Path directory;
  NewName name;
};
Result<NewPlace> find_new_place(const Actor& actor, const Path& start, std::string_view path,
                                bool directory_wanted) {
  PathWalk walk(actor, start, path);
  TRY(walk.to_parent());
  if (walk.last_kind() != PathWalk::LastKind::kName) return Errno::kExist;
  const NewName name(walk.last_name().substr(0, kMaxName));
  if (walk.last_name().size() > kMaxName) return Errno::kNameTooLong;
  // "name/" may only become a directory: ENOENT, unless there is something already.
  const bool bad_slash = walk.last_has_slash() && !directory_wanted;
  if (bad_slash) {
    TRY(walk.step_last(false));
    return walk.found() ? Errno::kExist : Errno::kNoEnt;
  }
  return NewPlace{TRY(walk.finish()), name};
}

}  // namespace

Result<Ref<Dentry>> create_entry(const Credentials& who, const Path& directory, const NewName& name,
                                 FileType type, u32 mode, u64 device) {
  return add_entry(who, directory, name, [&](Inode& inode) {
    return inode.create(name.view(), type, mode, device, who);
  });
}

Result<> mkdir(const Actor& actor, const Path& start, std::string_view path, u32 mode) {
  NewPlace place = TRY(find_new_place(actor, start, path, true));
  mode &= (0777 | kSticky) & ~actor.fs.umask();
  TRY(create_entry(actor.who, place.directory, place.name, FileType::kDirectory, mode, 0));
  return {};
}

Result<Path> mknod(const Actor& actor, const Path& start, std::string_view path, u32 mode,
                   u64 device) {
  FileType type = FileType(mode & kFileTypeMask);
  if (u32(type) == 0) type = FileType::kRegular;
  switch (type) {
    case FileType::kRegular:
    case FileType::kFifo:
    case FileType::kSocket:
      device = 0;
      break;
    case FileType::kCharacterDevice:
    case FileType::kBlockDevice:
      break;
    case FileType::kDirectory:
      return Errno::kPerm;
    default:
      return Errno::kInval;
  }
  NewPlace place = TRY(find_new_place(actor, start, path, false));
  // Only devices want the right; device 0:0 is overlayfs's whiteout, which anybody may make.
  const bool is_device =
      type == FileType::kBlockDevice || (type == FileType::kCharacterDevice && device != 0);
  if (is_device && !actor.who.capable(Capability::kMknod)) return Errno::kPerm;
  Ref<Dentry> made = TRY(create_entry(
      actor.who, place.directory, place.name, type,
      new_mode(place.directory.dentry->inode(), actor.who, mode, actor.fs.umask()), device));
  return Path{place.directory.mount, std::move(made)};
}

Result<> symlink(const Actor& actor, std::string_view target, const Path& start,
                 std::string_view path) {
  if (target.empty()) return Errno::kNoEnt;
  if (target.size() >= kMaxPath) return Errno::kNameTooLong;
  NewPlace place = TRY(find_new_place(actor, start, path, false));
  TRY(add_entry(actor.who, place.directory, place.name, [&](Inode& inode) {
    return inode.create_symlink(place.name.view(), target, actor.who);
  }));
  return {};
}

Result<> link(const Actor& actor, const Path& from, const Path& start, std::string_view path) {
  NewPlace place = TRY(find_new_place(actor, start, path, false));
  const bool other_mount = from.mount != place.directory.mount;
  TRY(add_entry(actor.who, place.directory, place.name,
                [&](Inode& directory) -> Result<Ref<Inode>> {
                  Inode& target = from.dentry->inode();
                  if (other_mount) return Errno::kXDev;
                  if (target.is_directory() || target.immutable() || target.append_only())
                    return Errno::kPerm;
                  if (target.links() == 0 && !target.awaits_name()) return Errno::kNoEnt;
                  TRY(directory.link(place.name.view(), target));
                  target.set_awaits_name(false);
                  return from.dentry->inode_ref();
                }));
  notify::about_inode(from.dentry->inode(), notify::kAttributes);
  return {};
}

}  // namespace narwhal::vfs
