// acct(2).
#include "process/accounting.h"

#include "fs/core/inode.h"
#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"

namespace narwhal {

SysResult sys::acct(Task& task, UserString path) {
  if (!task.credentials().capable(Capability::kSysPacct)) return Errno::kPerm;
  if (path.null()) {
    accounting::set_file(nullptr);
    return i64{0};
  }
  UserText text;
  TRY(text.load(path));
  FileRef file = TRY(vfs::open(task.actor(), Path(), text.view(),
                               OpenFlags::kWriteOnly | OpenFlags::kAppend | OpenFlags::kLargeFile,
                               0, ResolveFlags::kNone));
  if (file->kind() != File::Kind::kRegular || !file->inode()->is_regular()) return Errno::kAcces;
  accounting::set_file(std::move(file));
  return i64{0};
}

}  // namespace narwhal
