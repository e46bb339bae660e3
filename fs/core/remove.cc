// unlink(2), rmdir(2), rename(2).
#include "fs/core/create.h"
#include "fs/core/notify.h"
#include "fs/core/path_walk.h"
#include "fs/core/permission.h"

namespace narwhal::vfs {
namespace {

using LastKind = PathWalk::LastKind;

// A name that exists, or did a moment ago, and where.
struct Entry {
  Path directory;
  NewName name;
  LastKind kind;
  bool slash;
};

Result<Entry> find_entry(const Actor& actor, const Path& start, std::string_view path) {
  PathWalk walk(actor, start, path);
  TRY(walk.to_parent());
  const std::string_view last = walk.last_name();
  if (last.size() > kMaxName) return Errno::kNameTooLong;
  const NewName name(last);
  const LastKind kind = walk.last_kind();
  const bool slash = walk.last_has_slash();
  return Entry{TRY(walk.finish()), name, kind, slash};
}

// What has the name now. The names_mutex is held, so that it stays. For names that are made up the
// file system is asked.
Result<Ref<Dentry>> find_child(const Entry& entry) {
  Dentry& parent = *entry.directory.dentry;
  {
    NamesReadGuard guard;
    Dentry* child =
        DentryTree::find(parent, entry.name.view(), DentryTree::hash(entry.name.view()));
    if (child && child->try_add_ref()) return Ref<Dentry>::adopt(child);
  }
  if (parent.inode().file_system().names_pinned()) return Errno::kNoEnt;
  Ref<Inode> inode = TRY(parent.inode().lookup(entry.name.view()));
  return Dentry::create(entry.directory.dentry, entry.name.view(), std::move(inode));
}

void drop_name(Dentry& dentry) {
  Ref<Dentry> pin;
  NamesWriteGuard guard;
  pin = DentryTree::unlink(dentry);
}

Result<> remove(const Actor& actor, const Entry& entry, bool directory_wanted) {
  if (entry.directory.mount->read_only()) return Errno::kRoFs;
  Inode& directory = entry.directory.dentry->inode();
  Ref<Dentry> victim;  // let go after the lock: its end may be long
  {
    Guard names(directory.file_system().names_mutex());
    victim = TRY(find_child(entry));
    Inode& inode = victim->inode();
    if (!directory_wanted && entry.slash)
      return inode.is_directory() ? Errno::kIsDir : Errno::kNotDir;
    TRY(may_delete(actor.who, directory, inode));
    if (directory_wanted && !inode.is_directory()) return Errno::kNotDir;
    if (!directory_wanted && inode.is_directory()) return Errno::kIsDir;
    if (victim->covered()) return Errno::kBusy;
    if (inode.is_directory()) {
      NamesReadGuard guard;
      if (victim->has_children()) return Errno::kNotEmpty;
    }
    TRY(directory.unlink(entry.name.view(), inode));
    drop_name(*victim);
  }
  if (notify::active()) {
    u32 event = notify::kDelete;
    if (directory_wanted)
      event |= notify::kIsDirectory;
    else
      notify::about_inode(victim->inode(), notify::kAttributes);
    // The end of the inode, if this is it, is told before that of the name, as on Linux.
    victim = nullptr;
    notify::about_entry(directory, event, entry.name.view());
  }
  return {};
}

}  // namespace

Result<> unlink(const Actor& actor, const Path& start, std::string_view path) {
  const Entry entry = TRY(find_entry(actor, start, path));
  if (entry.kind != LastKind::kName) return Errno::kIsDir;
  return remove(actor, entry, false);
}

Result<> rmdir(const Actor& actor, const Path& start, std::string_view path) {
  const Entry entry = TRY(find_entry(actor, start, path));
  switch (entry.kind) {
    case LastKind::kDotDot:
      return Errno::kNotEmpty;
    case LastKind::kDot:
      return Errno::kInval;
    case LastKind::kRoot:
      return Errno::kBusy;
    case LastKind::kName:
      break;
  }
  return remove(actor, entry, true);
}

namespace {

// What rename(2) asks of the two names and what they lead to; `target` may be null.
Result<> check_rename(const Actor& actor, const Entry& from, const Entry& to, Dentry& source,
                      Dentry* target, u32 flags) {
  const bool exchange = flags & kRenameExchange;
  Dentry& old_parent = *from.directory.dentry;
  Dentry& new_parent = *to.directory.dentry;
  const bool is_directory = source.inode().is_directory();
  if (target && (flags & kRenameNoReplace)) return Errno::kExist;
  if (exchange) {
    if (!target) return Errno::kNoEnt;
    if (to.slash && !target->inode().is_directory()) return Errno::kNotDir;
  }
  if (!is_directory && (from.slash || (!exchange && to.slash))) return Errno::kNotDir;
  {
    NamesReadGuard guard;
    // A directory can't go into itself, nor take the place of one that it is in.
    if (DentryTree::is_below(new_parent, source)) return Errno::kInval;
    if (target && DentryTree::is_below(old_parent, *target))
      return exchange ? Errno::kInval : Errno::kNotEmpty;
  }
  if (target && &target->inode() == &source.inode()) return {};

  TRY(may_delete(actor.who, old_parent.inode(), source.inode()));
  if (!target) {
    TRY(may_create(actor.who, to.directory));
  } else {
    TRY(may_delete(actor.who, new_parent.inode(), target->inode()));
    if (!exchange && is_directory != target->inode().is_directory())
      return is_directory ? Errno::kNotDir : Errno::kIsDir;
  }
  if (&old_parent != &new_parent) {
    // ".." of a directory changes with its parent.
    if (is_directory) TRY(check_permission(actor.who, source.inode(), kMayWrite));
    if (exchange && target->inode().is_directory())
      TRY(check_permission(actor.who, target->inode(), kMayWrite));
  }
  if (source.covered() || (target && target->covered())) return Errno::kBusy;
  if (target && !exchange && target->inode().is_directory()) {
    NamesReadGuard guard;
    if (target->has_children()) return Errno::kNotEmpty;
  }
  return {};
}

void tell_of_rename(const Entry& from, const Entry& to, Inode& source, Inode* target, u32 flags) {
  const auto tell = [](const Entry& old_place, const Entry& new_place, Inode& inode) {
    const u32 directory = inode.is_directory() ? notify::kIsDirectory : 0;
    const u32 cookie = notify::next_cookie();
    const bool inside = old_place.directory.dentry == new_place.directory.dentry;
    notify::about_entry(old_place.directory.dentry->inode(),
                        notify::kMovedFrom | directory | (inside ? notify::kInsideOnly : 0),
                        old_place.name.view(), cookie);
    notify::about_entry(new_place.directory.dentry->inode(), notify::kMovedTo | directory,
                        new_place.name.view(), cookie);
    notify::about_inode(inode, notify::kMoveSelf);
  };
  tell(from, to, source);
  if (!target) return;
  if (flags & kRenameExchange)
    tell(to, from, *target);
  else
    notify::about_inode(*target, notify::kAttributes);
}

Result<> rename_locked(const Actor& actor, const Entry& from, const Entry& to, u32 flags,
                       Ref<Dentry>& replaced) {
  Ref<Dentry> source = TRY(find_child(from));
  auto found = find_child(to);
  if (!found.ok() && !found.failed(Errno::kNoEnt)) return found.error();
  Ref<Dentry> target = found.ok() ? found.take() : nullptr;
  TRY(check_rename(actor, from, to, *source, target.get(), flags));
  // Two names of one inode: rename(2) does nothing.
  if (target && &target->inode() == &source->inode()) return {};

  const bool exchange = flags & kRenameExchange;
  String source_name = TRY(DentryTree::prepare_name(*source, to.name.view()));
  String target_name;
  if (exchange) target_name = TRY(DentryTree::prepare_name(*target, from.name.view()));
  TRY(DentryTree::reserve(*to.directory.dentry));
  TRY(from.directory.dentry->inode().rename(from.name.view(), source->inode(),
                                            to.directory.dentry->inode(), to.name.view(),
                                            target ? &target->inode() : nullptr, flags));
  Ref<Dentry> pin;
  Ref<Dentry> parent = to.directory.dentry;  // becomes the old parent
  {
    NamesWriteGuard guard;
    if (exchange) {
      DentryTree::exchange(*source, *target, source_name, target_name);
    } else {
      if (target) pin = DentryTree::unlink(*target);
      DentryTree::move(*source, parent, to.name.view(), source_name);
    }
  }
  if (notify::active())
    tell_of_rename(from, to, source->inode(), target ? &target->inode() : nullptr, flags);
  replaced = std::move(target);
  return {};
}

}  // namespace

Result<> rename(const Actor& actor, const Path& old_start, std::string_view old_path,
                const Path& new_start, std::string_view new_path, u32 flags) {
  if (flags & ~u32{kRenameNoReplace | kRenameExchange}) return Errno::kInval;
  if ((flags & kRenameNoReplace) && (flags & kRenameExchange)) return Errno::kInval;
  const Entry from = TRY(find_entry(actor, old_start, old_path));
  const Entry to = TRY(find_entry(actor, new_start, new_path));
  if (from.directory.mount != to.directory.mount) return Errno::kXDev;
  if (from.kind != LastKind::kName) return Errno::kBusy;
  if (to.kind != LastKind::kName) return flags & kRenameNoReplace ? Errno::kExist : Errno::kBusy;
  if (from.directory.mount->read_only()) return Errno::kRoFs;
  Ref<Dentry> replaced;  // let go after the lock: its end may be long
  Guard names(from.directory.dentry->inode().file_system().names_mutex());
  return rename_locked(actor, from, to, flags, replaced);
}

}  // namespace narwhal::vfs
