// fcntl(2).
#include "fs/core/directory_notice.h"
#include "fs/core/lease.h"
#include "fs/core/regular_file.h"
#include "fs/pipe/pipe.h"
#include "kernel/abi/file_control.h"
#include "kernel/abi/resource.h"
#include "syscalls/file_owner.h"
#include "syscalls/handlers.h"
#include "syscalls/record_lock.h"

namespace narwhal {
namespace {

SysResult duplicate(Task& task, FileRef file, u64 lowest, bool close_on_exec) {
  const u64 limit = task.process().soft_limit(abi::kLimitOpenFiles);
  if (u32(lowest) >= limit) return Errno::kInval;
  auto fd = TRY(task.files().reserve(limit, int(u32(lowest))));
  return i64(std::move(fd).commit(std::move(file), close_on_exec));
}

SysResult set_flags(Task& task, File& file, i32 fd, OpenFlags wanted) {
  const OpenFlags before = file.flags();
  if (has(wanted, OpenFlags::kAppend) != has(before, OpenFlags::kAppend) && file.inode() &&
      file.inode()->append_only())
    return Errno::kPerm;
  if (has(wanted, OpenFlags::kNoAccessTime) && !has(before, OpenFlags::kNoAccessTime)) {
    const Inode* inode = file.inode();
    const Credentials& who = task.credentials();
    if (inode && inode->uid() != who.fsuid && !who.capable(Capability::kFowner))
      return Errno::kPerm;
  }
  // Packet mode of pipes (pipe2(2)); on files in memory, O_DIRECT has no effect.
  if (has(wanted, OpenFlags::kDirect) && file.kind() != File::Kind::kRegular &&
      file.kind() != File::Kind::kPipe && file.kind() != File::Kind::kDisk)
    return Errno::kInval;
  if (!can_be_asynchronous(file)) wanted &= ~OpenFlags::kAsync;
  // Only a change counts: after open(2) with O_ASYNC nothing is told until it is turned off and on.
  const bool on = has(wanted, OpenFlags::kAsync);
  if (on != has(before, OpenFlags::kAsync)) TRY(switch_asynchronous(task, file, fd, on));
  TRY(file.set_flags(wanted));
  return i64{0};
}

// --- what only some files have

SysResult pipe_size(Task& task, File& file, u32 command, u64 argument) {
  if (file.kind() != File::Kind::kPipe) return Errno::kBadF;
  Pipe& pipe = static_cast<PipeFile&>(file).pipe();
  if (command == abi::kGetPipeSize) return i64(pipe.capacity());
  const u32 wanted = u32(argument);
  if (wanted > u32{1} << 31) return Errno::kInval;
  if (wanted > pipe_max_bytes.load(Order::kRelaxed) && wanted > pipe.capacity() &&
      !task.credentials().capable(Capability::kSysResource))
    return Errno::kPerm;
  return i64(TRY(pipe.set_capacity(wanted)));
}

SysResult add_seals(File& file, u32 seals) {
  constexpr u32 kAllSeals =
      kSealSeal | kSealShrink | kSealGrow | kSealWrite | kSealFutureWrite | kSealExecute;
  if (!file.writable()) return Errno::kPerm;
  if (seals & ~kAllSeals || !file.inode()) return Errno::kInval;
  TRY(file.inode()->add_seals(seals));
  return i64{0};
}

SysResult get_seals(File& file) {
  if (!file.inode()) return Errno::kInval;
  return i64(TRY(file.inode()->seals()));
}

SysResult set_lease(Task& task, File& file, i32 fd, u64 wanted) {
  if (wanted > u64(abi::kUnlock)) return Errno::kInval;
  const LeaseType type = wanted == u64(abi::kReadLock)    ? LeaseType::kRead
                         : wanted == u64(abi::kWriteLock) ? LeaseType::kWrite
                                                          : LeaseType::kNone;
  TRY(Leases::set(task.credentials(), file, fd, type));
  if (type != LeaseType::kNone) TRY(own_if_nobody_does(task, file));
  return i64{0};
}

i64 lease_number(const File& file) {
  switch (Leases::get(file)) {
    case LeaseType::kRead:
      return abi::kReadLock;
    case LeaseType::kWrite:
      return abi::kWriteLock;
    case LeaseType::kNone:
      return abi::kUnlock;
  }
  return abi::kUnlock;
}

bool allowed_on_path_descriptors(u32 command) {
  return command == abi::kDupFd || command == abi::kDupFdCloseOnExec || command == abi::kGetFd ||
         command == abi::kSetFd || command == abi::kGetFlags || command == abi::kIsSameFile ||
         command == abi::kWasCreated;
}

}  // namespace

SysResult sys::fcntl(Task& task, Fd fd, u32 command, u64 argument) {
  FileRef file = TRY(allowed_on_path_descriptors(command) ? task.files().get_any(fd.value)
                                                          : task.files().get(fd.value));
  const UserAddr address(argument);
  switch (command) {
    case abi::kDupFd:
      return duplicate(task, std::move(file), argument, false);
    case abi::kDupFdCloseOnExec:
      return duplicate(task, std::move(file), argument, true);
    case abi::kGetFd:
      return i64(TRY(task.files().close_on_exec(fd.value)) ? abi::kFdCloseOnExec : 0);
    case abi::kSetFd:
      TRY(task.files().set_close_on_exec(fd.value, argument & abi::kFdCloseOnExec));
      return i64{0};
    case abi::kGetFlags:
      return i64(raw(file->flags()));
    case abi::kSetFlags:
      return set_flags(task, *file, fd.value, OpenFlags(u32(argument)));
    case abi::kGetLock:
    case abi::kSetLock:
    case abi::kSetLockWait:
    case abi::kGetDescriptionLock:
    case abi::kSetDescriptionLock:
    case abi::kSetDescriptionLockWait:
      return record_lock(task, fd, *file, command, address);
    case abi::kSetOwner:
      TRY(set_file_owner(task, *file, i32(argument)));
      return i64{0};
    case abi::kGetOwner:
      return i64(file_owner(*file));
    case abi::kSetOwnerEx:
      TRY(load_file_owner(task, *file, address));
      return i64{0};
    case abi::kGetOwnerEx:
      TRY(store_file_owner(*file, address));
      return i64{0};
    case abi::kSetSignal:
      TRY(set_file_signal(*file, argument));
      return i64{0};
    case abi::kGetSignal:
      return i64(file_signal(*file));
    case abi::kSetLease:
      return set_lease(task, *file, fd.value, argument);
    case abi::kGetLease:
      return lease_number(*file);
    case abi::kNotify:
      if (argument & DirectoryNotice::kEvents && file_owner(*file) == 0)
        TRY(set_file_owner(task, *file, i32(task.process().pid())));
      TRY(file->notify_of_entries(u32(argument), fd.value));
      return i64{0};
    case abi::kIsSameFile:
      return i64{file == TRY(task.files().get_any(i32(argument)))};
    case abi::kWasCreated:
      return i64{file->was_created()};
    case abi::kGetPipeSize:
    case abi::kSetPipeSize:
      return pipe_size(task, *file, command, argument);
    case abi::kAddSeals:
      return add_seals(*file, u32(argument));
    case abi::kGetSeals:
      return get_seals(*file);
    case abi::kGetWriteHint:  // RWH_WRITE_LIFE_NOT_SET
      TRY(store_user(address, u64{0}));
      return i64{0};
    default:
      return Errno::kInval;
  }
}

}  // namespace narwhal
