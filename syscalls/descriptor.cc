// Descriptors: close(2), close_range(2), dup(2), ioctl(2).
#include "fs/core/inode.h"
#include "kernel/abi/block.h"
#include "kernel/abi/ioctl.h"
#include "kernel/abi/loop.h"
#include "kernel/abi/resource.h"
#include "kernel/abi/termios.h"
#include "process/task.h"
#include "syscalls/file_owner.h"
#include "syscalls/handlers.h"
#include "syscalls/inode_flag.h"

namespace narwhal {
namespace {

constexpr u32 kCloseRangeUnshare = 2;
constexpr u32 kCloseRangeCloseOnExec = 4;

u64 descriptor_limit(Task& task) {
  return task.process().soft_limit(abi::kLimitOpenFiles);
}

// The flags, with one of them as the program's int says.
Result<OpenFlags> with_flag(const File& file, OpenFlags flag, UserAddr argument) {
  const bool on = TRY(load_user<i32>(argument)) != 0;
  return on ? file.flags() | flag : file.flags() & ~flag;
}

bool is_block_device(const File& file) {
  const Inode* inode = file.inode();
  return inode && inode->type() == FileType::kBlockDevice;
}

SysResult set_asynchronous(Task& task, File& file, i32 fd, UserAddr argument) {
  const OpenFlags flags = TRY(with_flag(file, OpenFlags::kAsync, argument));
  if (flags == file.flags()) return i64{0};
  if (!can_be_asynchronous(file)) return Errno::kNotTty;
  TRY(switch_asynchronous(task, file, fd, has(flags, OpenFlags::kAsync)));
  TRY(file.set_flags(flags));
  return i64{0};
}

// Sockets know these by names of their own, and by those of BSD (socket(7)).
SysResult set_socket_owner(Task& task, File& file, UserAddr argument) {
  if (file.kind() != File::Kind::kSocket) return Errno::kNotTty;
  TRY(set_file_owner(task, file, TRY(load_user<i32>(argument))));
  return i64{0};
}

SysResult store_socket_owner(const File& file, UserAddr argument) {
  if (file.kind() != File::Kind::kSocket) return Errno::kNotTty;
  TRY(store_user(argument, file_owner(file)));
  return i64{0};
}

// FIOQSIZE: the size of what has one.
SysResult store_size(File& file, UserAddr argument) {
  Inode* inode = file.inode();
  if (!inode || !(inode->is_regular() || inode->is_directory() || inode->is_symlink()))
    return Errno::kNotTty;
  abi::Stat status;
  TRY(file.stat(status));
  TRY(store_user(argument, status.size));
  return i64{0};
}

SysResult store_block_size(File& file, UserAddr argument) {
  abi::Stat status;
  TRY(file.stat(status));
  TRY(store_user(argument, i32(status.block_size)));
  return i64{0};
}

// Sharing blocks between files, and where they are on a disk: not for files in memory.
Errno refuse_extents(const File& file) {
  return file.kind() == File::Kind::kRegular ? Errno::kOpNotSupp : Errno::kNotTty;
}

SysResult open_peer(Task& task, File& file, OpenFlags flags) {
  auto fd = TRY(task.files().reserve(descriptor_limit(task)));
  FileRef peer = TRY(file.open_peer(flags & ~OpenFlags::kCloseOnExec));
  return i64(std::move(fd).commit(std::move(peer), has(flags, OpenFlags::kCloseOnExec)));
}

}  // namespace

SysResult sys::close(Task& task, Fd fd) {
  TRY(task.files().close(fd.value));
  return i64{0};
}

SysResult sys::close_range(Task& task, u32 first, u32 last, HexInt flags) {
  if (flags.value & ~(kCloseRangeUnshare | kCloseRangeCloseOnExec)) return Errno::kInval;
  if (first > last) return Errno::kInval;
  if ((flags.value & kCloseRangeUnshare) && task.files().ref_count() > 1)
    task.set_files(TRY(task.files().copy()));
  task.files().close_range(first, last, flags.value & kCloseRangeCloseOnExec);
  return i64{0};
}

SysResult sys::dup(Task& task, Fd fd) {
  FileRef file = TRY(task.files().get_any(fd.value));
  auto copy = TRY(task.files().reserve(descriptor_limit(task)));
  return i64(std::move(copy).commit(std::move(file), false));
}

SysResult sys::dup2(Task& task, Fd old_fd, Fd new_fd) {
  FileRef file = TRY(task.files().get_any(old_fd.value));
  if (old_fd.value == new_fd.value) return i64(new_fd.value);
  TRY(task.files().replace(new_fd.value, std::move(file), false, descriptor_limit(task)));
  return i64(new_fd.value);
}

SysResult sys::dup3(Task& task, Fd old_fd, Fd new_fd, OpenFlags flags) {
  if (!has_only(flags, OpenFlags::kCloseOnExec) || old_fd.value == new_fd.value)
    return Errno::kInval;
  FileRef file = TRY(task.files().get_any(old_fd.value));
  TRY(task.files().replace(new_fd.value, std::move(file), has(flags, OpenFlags::kCloseOnExec),
                           descriptor_limit(task)));
  return i64(new_fd.value);
}

SysResult sys::ioctl(Task& task, Fd fd, HexInt command, UserAddr argument) {
  FileRef file = TRY(task.files().get(fd.value));
  switch (command.value) {
    case abi::kFioClex:
      TRY(task.files().set_close_on_exec(fd.value, true));
      return i64{0};
    case abi::kFioNClex:
      TRY(task.files().set_close_on_exec(fd.value, false));
      return i64{0};
    case abi::kFionBio:
      TRY(file->set_flags(TRY(with_flag(*file, OpenFlags::kNonBlock, argument))));
      return i64{0};
    case abi::kFioAsync:
      return set_asynchronous(task, *file, fd.value, argument);
    case abi::kFioSetOwn:
    case abi::kSiocSetGroup:
      return set_socket_owner(task, *file, argument);
    case abi::kFioGetOwn:
    case abi::kSiocGetGroup:
      return store_socket_owner(*file, argument);
    case abi::kTiocGetPeer:
      return open_peer(task, *file, OpenFlags(argument.value));
    case abi::kFioQSize:
      return store_size(*file, argument);
    case abi::kFiGetBsz:
      return store_block_size(*file, argument);
    case abi::kFiClone:
    case abi::kFiCloneRange:
    case abi::kFiemap:
      return refuse_extents(*file);
    case abi::kGetInodeFlags:
    case abi::kSetInodeFlags:
    case abi::kGetExtendedInodeFlags:
    case abi::kSetExtendedInodeFlags:
      return inode_flag_ioctl(task, *file, command.value, argument);
    case abi::kBlkSetReadOnly:
    case abi::kBlkSetReadAhead:
    case abi::kBlkSetBlockSize:
    case abi::kBlkFlush:
    case abi::kBlkRereadPartitions:
      // The machine's settings; to other files than block devices these numbers say nothing.
      if (is_block_device(*file) && !task.credentials().capable(Capability::kSysAdmin))
        return Errno::kAcces;
      return file->ioctl(command.value, argument);
    case abi::kLoopSetFd:
    case abi::kLoopChangeFd:
      return file->ioctl_about(command.value, argument, TRY(task.files().get(i32(argument.value))));
    case abi::kLoopConfigure:
      return file->ioctl_about(command.value, argument,
                               TRY(task.files().get(TRY(load_user<i32>(argument)))));
    default:
      return file->ioctl(command.value, argument);
  }
}

}  // namespace narwhal
