// setsockopt(2), getsockopt(2). What every socket answers the same way is answered here.
#include <cstring>

#include "syscalls/handlers.h"
#include "syscalls/socket_calls.h"

namespace narwhal {
namespace {

// No option that exists takes more; what is longer is cut, as most of Linux's options do.
constexpr usize kMostBytes = 4096;

u64* timeout_of(Socket& socket, i32 name) {
  if (name == abi::kSoReceiveTimeout || name == abi::kSoReceiveTimeoutNew)
    return &socket.receive_timeout_ns;
  if (name == abi::kSoSendTimeout || name == abi::kSoSendTimeoutNew) return &socket.send_timeout_ns;
  return nullptr;
}

Result<> set_timeout(u64& timeout_ns, std::span<const std::byte> value) {
  abi::TimeVal time;
  if (value.size() < sizeof time) return Errno::kInval;
  std::memcpy(&time, value.data(), sizeof time);
  if (time.microseconds < 0 || time.microseconds >= 1'000'000) return Errno::kDom;
  // A negative time is over at once, 0 means no limit.
  timeout_ns = time.seconds < 0 ? 1 : to_nanoseconds(time).value_or(0);
  return {};
}

template <typename T>
usize answer(std::span<std::byte> out, const T& value) {
  const usize size = out.size() < sizeof value ? out.size() : sizeof value;
  std::memcpy(out.data(), &value, size);
  return size;
}

Result<usize> get_option(Socket& socket, i32 level, i32 name, std::span<std::byte> out) {
  if (level == abi::kSolSocket) {
    if (u64* timeout = timeout_of(socket, name)) {
      if (*timeout == 1) return answer(out, abi::TimeVal{});
      return answer(out, to_timeval(*timeout));
    }
    switch (name) {
      case abi::kSoType:
        return answer(out, i32(socket.type()));
      case abi::kSoDomain:
        return answer(out, i32(socket.family()));
      case abi::kSoProtocol:
        return answer(out, i32(socket.protocol()));
      default:
        break;
    }
  }
  return socket.get_option(level, name, out);
}

}  // namespace

SysResult sys::setsockopt(Task& task, Fd fd, i32 level, i32 name, UserAddr value, i32 size) {
  if (size < 0) return Errno::kInval;
  auto socket = TRY(socket_at(task, fd));
  Vector<std::byte> bytes;
  TRY(bytes.resize(usize(size) < kMostBytes ? usize(size) : kMostBytes));
  if (platform::copy_from_user(bytes.data(), value, bytes.size()) != 0) return Errno::kFault;
  if (level == abi::kSolSocket) {
    if (u64* timeout = timeout_of(*socket, name)) {
      TRY(set_timeout(*timeout, bytes));
      return i64{0};
    }
  }
  TRY(socket->set_option(level, name, bytes));
  return i64{0};
}

SysResult sys::getsockopt(Task& task, Fd fd, i32 level, i32 name, UserAddr value, UserAddr size) {
  auto socket = TRY(socket_at(task, fd));
  const i32 room = TRY(load_user<i32>(size));
  if (room < 0) return Errno::kInval;
  Vector<std::byte> bytes;
  TRY(bytes.resize(usize(room) < kMostBytes ? usize(room) : kMostBytes));
  const usize length = TRY(get_option(*socket, level, name, {bytes.data(), bytes.size()}));
  const usize stored = length < bytes.size() ? length : bytes.size();
  if (platform::copy_to_user(value, bytes.data(), stored) != 0) return Errno::kFault;
  TRY(store_user(size, i32(length)));
  return i64{0};
}

}  // namespace narwhal
