// pipe(2) and eventfd(2).
#include "fs/pipe/pipe.h"

#include "fs/eventfd/eventfd.h"
#include "kernel/abi/resource.h"
#include "process/task.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

constexpr u32 kEventFdSemaphore = 1;

SysResult make_eventfd(Task& task, u32 initial, u32 flags) {
  const auto open_flags = OpenFlags(flags & ~kEventFdSemaphore);
  if (!has_only(open_flags, OpenFlags::kNonBlock | OpenFlags::kCloseOnExec)) return Errno::kInval;
  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  auto file = TRY(make_ref<EventFd>(initial, (flags & kEventFdSemaphore) != 0,
                                    OpenFlags::kReadWrite | (open_flags & OpenFlags::kNonBlock)));
  return std::move(fd).commit(std::move(file), has(open_flags, OpenFlags::kCloseOnExec));
}

}  // namespace

SysResult sys::pipe(Task& task, UserOut<abi::FdPair> fds) {
  return pipe2(task, fds, OpenFlags::kReadOnly);
}

SysResult sys::pipe2(Task& task, UserOut<abi::FdPair> fds, OpenFlags flags) {
  if (!has_only(flags, OpenFlags::kNonBlock | OpenFlags::kCloseOnExec | OpenFlags::kDirect))
    return Errno::kInval;
  const OpenFlags status = flags & (OpenFlags::kNonBlock | OpenFlags::kDirect);
  auto pipe = TRY(Pipe::create());
  // Where the unprivileged may have less than what is usual, that is what they begin with.
  if (const u32 most = pipe_max_bytes.load(Order::kRelaxed);
      most < pipe->capacity() && !task.credentials().capable(Capability::kSysResource))
    TRY(pipe->set_capacity(most));
  auto reader = TRY(make_ref<PipeFile>(pipe, OpenFlags::kReadOnly | status));
  auto writer = TRY(make_ref<PipeFile>(pipe, OpenFlags::kWriteOnly | status));
  const u64 limit = task.process().soft_limit(abi::kLimitOpenFiles);
  auto read_fd = TRY(task.files().reserve(limit));
  auto write_fd = TRY(task.files().reserve(limit));
  TRY(fds.store({read_fd.number(), write_fd.number()}));

  const bool close_on_exec = has(flags, OpenFlags::kCloseOnExec);
  std::move(read_fd).commit(std::move(reader), close_on_exec);
  std::move(write_fd).commit(std::move(writer), close_on_exec);
  return i64{0};
}

SysResult sys::eventfd(Task& task, u32 initial) {
  return make_eventfd(task, initial, 0);
}
SysResult sys::eventfd2(Task& task, u32 initial, HexInt flags) {
  return make_eventfd(task, initial, flags.value);
}

}  // namespace narwhal
