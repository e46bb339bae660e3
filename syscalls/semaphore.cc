// semget(2), semop(2), semtimedop(2), semctl(2).
#include "ipc/semaphores.h"
#include "syscalls/handlers.h"
#include "syscalls/ipc_caller.h"
#include "syscalls/timespec.h"

namespace narwhal {

using sysv::Semaphores;

namespace {

SysResult operate(Task& task, i32 id, UserAddr operations, u32 count, u64 deadline_ns) {
  const auto loaded = TRY(UserIn<abi::SemOperation>{operations}.load_array(count));
  bool undoes = false;
  for (const abi::SemOperation& operation : loaded) undoes |= bool(operation.flags & abi::kSemUndo);
  if (undoes && !task.semaphore_undo()) task.set_semaphore_undo(TRY(make_ref<sysv::UndoList>()));
  // Kept for as long as a sleeper's operations are in a set.
  const Ref<sysv::UndoList> undo = task.semaphore_undo();
  return as_zero(Semaphores::operate(ipc_caller(task), id, loaded, undo.get(), deadline_ns));
}

Result<> check_operations(i32 id, u32 count) {
  if (count < 1 || id < 0) return Errno::kInval;
  return count > Semaphores::max_operations.load() ? Result<>(Errno::kTooBig) : Result<>();
}

}  // namespace

SysResult sys::semget(Task& task, i32 key, i32 count, HexInt flags) {
  return as_number(Semaphores::get(ipc_caller(task), key, count, flags.value));
}

SysResult sys::semop(Task& task, i32 id, UserAddr operations, u32 count) {
  TRY(check_operations(id, count));
  return operate(task, id, operations, count, platform::kNoDeadline);
}

SysResult sys::semtimedop(Task& task, i32 id, UserAddr operations, u32 count, UserAddr timeout) {
  if (timeout.value == 0) return semop(task, id, operations, count);
  const auto time = TRY(load_user<abi::TimeSpec>(timeout));
  TRY(check_operations(id, count));
  return operate(task, id, operations, count, deadline_after(TRY(to_nanoseconds(time))));
}

SysResult sys::semctl(Task& task, i32 id, i32 number, i32 command, u64 argument) {
  const sysv::Caller caller = ipc_caller(task);
  const UserAddr buffer(argument);
  if (id < 0) return Errno::kInval;
  switch (command) {
    case abi::kIpcInfo:
      TRY(store_user(buffer, Semaphores::limits()));
      return i64(Semaphores::highest_index());
    case abi::kSemInfo:
      TRY(store_user(buffer, Semaphores::usage()));
      return i64(Semaphores::highest_index());
    case abi::kIpcStat:
      TRY(store_found(Semaphores::stat(caller, id), buffer));
      return i64{0};
    case abi::kSemStat:
    case abi::kSemStatAny:
      return store_found(Semaphores::stat_index(caller, id, command == abi::kSemStatAny), buffer);
    case abi::kIpcSet:
      return as_zero(
          Semaphores::set(caller, id, TRY(load_user<abi::SemStatus>(buffer)).permission));
    case abi::kIpcRemove:
      return as_zero(Semaphores::remove(caller, id));
    case abi::kSemGetPid:
    case abi::kSemGetValue:
    case abi::kSemGetIncreaseWaiters:
    case abi::kSemGetZeroWaiters:
      return as_number(Semaphores::get_value(caller, id, number, command));
    case abi::kSemSetValue:
      return as_zero(Semaphores::set_value(caller, id, number, i32(argument)));
    case abi::kSemGetAll: {
      const auto values = TRY(Semaphores::get_all(caller, id));
      TRY(UserOut<u16>{buffer}.store_array(values));
      return i64{0};
    }
    case abi::kSemSetAll: {
      const u32 count = TRY(Semaphores::count_for_set_all(caller, id));
      const auto values = TRY(UserIn<u16>{buffer}.load_array(count));
      return as_zero(Semaphores::set_all(caller, id, values));
    }
    default:
      return Errno::kInval;
  }
}

}  // namespace narwhal
