// What the files of socket calls share.
#pragma once

#include "kernel/abi/socket.h"
#include "net/core/socket.h"
#include "process/task.h"
#include "syscalls/timespec.h"
#include "syscalls/types.h"
#include "syscalls/wait_ready.h"

namespace narwhal {

// EBADF, ENOTSOCK.
Result<Hold<Socket>> socket_at(Task& task, Fd fd);

// A call on a socket waits unless the description or MSG_DONTWAIT says no, and for as long as
// SO_RCVTIMEO or SO_SNDTIMEO allows (socket(7)).
inline WaitLimits socket_wait_limits(const Socket& socket, u64 timeout_ns, u32 flags) {
  WaitLimits limits;
  limits.may_wait = !socket.nonblocking() && !(flags & abi::kMsgDontWait);
  if (timeout_ns != 0) {
    limits.deadline_ns = deadline_after(timeout_ns);
    limits.interrupted = Errno::kIntr;
  }
  return limits;
}

// The program's struct sockaddr. A length of 0 makes an empty address. EINVAL, EFAULT.
Result<> load_socket_address(UserAddr from, i32 length, SocketAddress& out);
// Stores as much as the program has room for, and the whole length. EINVAL, EFAULT.
Result<> store_socket_address(const SocketAddress& address, UserAddr to, UserAddr length);

// Takes the control messages of sendmsg(2) apart. EINVAL, EBADF, EPERM, ESRCH, ENOMEM.
Result<> parse_control(Task& task, const Socket& socket, std::span<const std::byte> bytes,
                       ControlData& out);
// Room for control messages in the program's memory, as recvmsg(2) fills it.
struct ControlSpace {
  UserAddr at;
  usize left;
};
// Stores what was received; descriptors are made on the way. Adds MSG_CTRUNC to `result_flags` when
// not all went in.
void store_control(Task& task, ControlData& control, bool close_on_exec, ControlSpace& space,
                   u32& result_flags);

// Waits as the socket's settings and the message's flags say; raises SIGPIPE.
Result<usize> send_message(Task& task, Socket& socket, Message& message);
Result<usize> receive_message(Socket& socket, Message& message);

}  // namespace narwhal
