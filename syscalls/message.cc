// msgget(2), msgsnd(2), msgrcv(2), msgctl(2).
#include "ipc/messages.h"
#include "syscalls/handlers.h"
#include "syscalls/ipc_caller.h"

namespace narwhal {

using sysv::Message;
using sysv::Messages;

namespace {
constexpr usize kTypeSize = sizeof(i64);  // struct msgbuf: the type, then the text
}  // namespace

SysResult sys::msgget(Task& task, i32 key, HexInt flags) {
  return as_number(Messages::get(ipc_caller(task), key, flags.value));
}

SysResult sys::msgsnd(Task& task, i32 id, UserAddr message, usize size, HexInt flags) {
  const i64 type = TRY(load_user<i64>(message));
  if (size > Messages::max_size.load() || id < 0 || type < 1) return Errno::kInval;
  auto made = TRY(make_own<Message>());
  made->type = type;
  made->data = TRY(UserIn<std::byte>{message + kTypeSize}.load_array(size));
  return as_zero(Messages::send(ipc_caller(task), id, std::move(made), flags.value));
}

SysResult sys::msgrcv(Task& task, i32 id, UserAddr message, usize size, i64 type, HexInt flags) {
  if (id < 0 || i64(size) < 0) return Errno::kInval;
  if (flags.value & abi::kMsgCopy) {
    const bool waits = !(flags.value & abi::kIpcNoWait);
    if (waits || (flags.value & abi::kMsgExcept)) return Errno::kInval;
  }
  auto received = TRY(Messages::receive(ipc_caller(task), id, size, type, flags.value));
  // As on Linux a message that can't be copied out is gone.
  TRY(store_user(message, received->type));
  std::span<const std::byte> data = received->data;
  if (data.size() > size) data = data.first(size);
  TRY(UserOut<std::byte>{message + kTypeSize}.store_array(data));
  return i64(data.size());
}

SysResult sys::msgctl(Task& task, i32 id, i32 command, UserAddr buffer) {
  const sysv::Caller caller = ipc_caller(task);
  if (id < 0 || command < 0) return Errno::kInval;
  switch (command) {
    case abi::kIpcInfo:
      TRY(store_user(buffer, Messages::limits()));
      return i64(Messages::highest_index());
    case abi::kMsgInfo:
      TRY(store_user(buffer, Messages::usage()));
      return i64(Messages::highest_index());
    case abi::kIpcStat:
      TRY(store_found(Messages::stat(caller, id), buffer));
      return i64{0};
    case abi::kMsgStat:
    case abi::kMsgStatAny:
      return store_found(Messages::stat_index(caller, id, command == abi::kMsgStatAny), buffer);
    case abi::kIpcSet:
      return as_zero(Messages::set(caller, id, TRY(load_user<abi::MsgStatus>(buffer))));
    case abi::kIpcRemove:
      return as_zero(Messages::remove(caller, id));
    default:
      return Errno::kInval;
  }
}

}  // namespace narwhal
