// shmget(2), shmat(2), shmdt(2), shmctl(2).
#include "ipc/shared_memory.h"

#include "kernel/abi/resource.h"
#include "syscalls/handlers.h"
#include "syscalls/ipc_caller.h"

namespace narwhal {

using sysv::SharedMemory;

SysResult sys::shmget(Task& task, i32 key, usize size, HexInt flags) {
  return as_number(SharedMemory::get(ipc_caller(task), key, size, flags.value));
}

SysResult sys::shmat(Task& task, i32 id, UserAddr address, HexInt flags) {
  return i64(
      TRY(SharedMemory::attach(ipc_caller(task), task.memory(), id, address, flags.value)).value);
}

SysResult sys::shmdt(Task& task, UserAddr address) {
  return as_zero(SharedMemory::detach(task.memory(), address));
}

SysResult sys::shmctl(Task& task, i32 id, i32 command, UserAddr buffer) {
  const sysv::Caller caller = ipc_caller(task);
  if (id < 0 || command < 0) return Errno::kInval;
  switch (command) {
    case abi::kIpcInfo:
      TRY(store_user(buffer, SharedMemory::limits()));
      return i64(SharedMemory::highest_index());
    case abi::kShmInfo:
      TRY(store_user(buffer, SharedMemory::usage()));
      return i64(SharedMemory::highest_index());
    case abi::kIpcStat:
      TRY(store_found(SharedMemory::stat(caller, id), buffer));
      return i64{0};
    case abi::kShmStat:
    case abi::kShmStatAny:
      return store_found(SharedMemory::stat_index(caller, id, command == abi::kShmStatAny), buffer);
    case abi::kIpcSet:
      return as_zero(
          SharedMemory::set(caller, id, TRY(load_user<abi::ShmStatus>(buffer)).permission));
    case abi::kIpcRemove:
      return as_zero(SharedMemory::remove(caller, id));
    case abi::kShmLock:
    case abi::kShmUnlock:
      return as_zero(SharedMemory::lock(caller, id, command == abi::kShmLock));
    default:
      return Errno::kInval;
  }
}

}  // namespace narwhal
