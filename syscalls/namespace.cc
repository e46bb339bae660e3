// setns(2), where there is one namespace of each kind: to enter it again changes little.
#include "process/namespace_file.h"
#include "process/pidfd.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

// What each kind asks of who enters it.
Result<> check_entering(const Task& task, CloneFlags types) {
  // Nobody enters the user namespace that it is in.
  if (has(types, CloneFlags::kNewUser)) return Errno::kInval;
  const Credentials& who = task.credentials();
  if (!who.capable(Capability::kSysAdmin)) return Errno::kPerm;
  if (has(types, CloneFlags::kNewNs)) {
    if (!who.capable(Capability::kSysChroot)) return Errno::kPerm;
    if (task.fs().ref_count() > 1) return Errno::kInval;
  }
  if (has(types, CloneFlags::kNewTime) && task.process().task_count() > 1) return Errno::kUsers;
  return {};
}

}  // namespace

SysResult sys::setns(Task& task, Fd fd, CloneFlags type) {
  const CloneFlags wanted{u32(raw(type))};
  const FileRef file = TRY(task.files().get(fd.value));
  CloneFlags types = wanted;
  if (file->kind() == File::Kind::kNamespace) {
    types = static_cast<NamespaceFile&>(*file).type();
    if (wanted != CloneFlags::kNone && wanted != types) return Errno::kInval;
  } else if (file->kind() == File::Kind::kPidFd) {
    if (wanted == CloneFlags::kNone || !has_only(wanted, kNamespaces)) return Errno::kInval;
    if (static_cast<PidFd&>(*file).process().exiting()) return Errno::kSrch;
  } else {
    return Errno::kInval;
  }
  TRY(check_entering(task, types));
  if (has(types, CloneFlags::kNewNs)) {
    task.fs().set_root(vfs::root_path());
    task.fs().set_working_directory(vfs::root_path());
  }
  return i64{0};
}

}  // namespace narwhal
