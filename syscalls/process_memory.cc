// process_vm_readv(2), process_vm_writev(2), process_madvise(2), process_mrelease(2).
#include "kernel/abi/mman.h"
#include "kernel/abi/uio.h"
#include "process/access.h"
#include "syscalls/handlers.h"
#include "syscalls/pidfd_argument.h"

namespace narwhal {
namespace {

constexpr usize kMaxVectors = 1024;         // UIO_MAXIOV
constexpr usize kMaxTransfer = 0x7ffff000;  // MAX_RW_COUNT

// Pieces of one side, taken from its front.
class Pieces {
 public:
  // EINVAL for too many or a size that is negative, EFAULT.
  Result<> load(UserAddr vectors, usize count) {
    if (count > kMaxVectors) return Errno::kInval;
    pieces_ = TRY(UserIn<abi::IoVec>{vectors}.load_array(count));
    for (const abi::IoVec& piece : pieces_)
      if (i64(piece.length) < 0) return Errno::kInval;
    return {};
  }
  // The front piece that is not empty; size 0 when there is none.
  UserBuffer front() {
    while (index_ < pieces_.size() && pieces_[index_].length == 0) ++index_;
    if (index_ == pieces_.size()) return {UserAddr(), 0};
    return {UserAddr(pieces_[index_].base), usize(pieces_[index_].length)};
  }
  void consume(usize size) {
    pieces_[index_].base += size;
    pieces_[index_].length -= size;
  }

 private:
  Vector<abi::IoVec> pieces_;
  usize index_ = 0;
};

// Moves one run between the caller's memory and the other's by way of `buffer`; how much could be
// moved.
usize move_run(AddressSpace& other, UserAddr local, UserAddr remote, std::span<std::byte> buffer,
               bool write) {
  if (write) {
    const usize have =
        buffer.size() - platform::copy_from_user(buffer.data(), local, buffer.size());
    return other.write_memory(remote, buffer.first(have));
  }
  const usize have = other.read_memory(remote, buffer);
  return have - platform::copy_to_user(local, buffer.data(), have);
}

SysResult move_memory(Task& task, Pid pid, UserAddr local_vectors, usize local_count,
                      UserAddr remote_vectors, usize remote_count, u64 flags, bool write) {
  if (flags != 0) return Errno::kInval;
  Pieces local, remote;
  TRY(local.load(local_vectors, local_count));
  if (local.front().size == 0) return i64{0};
  TRY(remote.load(remote_vectors, remote_count));
  if (remote.front().size == 0) return i64{0};
  auto target = find_task(u32(pid.value));
  if (!target) return Errno::kSrch;
  if (!may_inspect(task, *target)) return Errno::kPerm;
  auto memory = target->memory_copy();
  if (!memory) return Errno::kSrch;
  Vector<std::byte> buffer;
  TRY(buffer.resize(4 * kPageSize));
  usize moved = 0;
  while (moved < kMaxTransfer) {
    const UserBuffer from = local.front(), to = remote.front();
    if (from.size == 0 || to.size == 0) break;
    usize size = from.size < to.size ? from.size : to.size;
    if (size > buffer.size()) size = buffer.size();
    const usize done = move_run(*memory, from.addr, to.addr, {buffer.data(), size}, write);
    moved += done;
    if (done < size) return moved > 0 ? SysResult(i64(moved)) : Errno::kFault;
    local.consume(size);
    remote.consume(size);
  }
  return i64(moved);
}

}  // namespace

SysResult sys::process_vm_readv(Task& task, Pid pid, UserAddr local, usize local_count,
                                UserAddr remote, usize remote_count, u64 flags) {
  return move_memory(task, pid, local, local_count, remote, remote_count, flags, false);
}

SysResult sys::process_vm_writev(Task& task, Pid pid, UserAddr local, usize local_count,
                                 UserAddr remote, usize remote_count, u64 flags) {
  return move_memory(task, pid, local, local_count, remote, remote_count, flags, true);
}

SysResult sys::process_madvise(Task& task, Fd fd, UserAddr vectors, usize count, i32 advice,
                               HexInt flags) {
  if (flags.value != 0) return Errno::kInval;
  Pieces pieces;
  TRY(pieces.load(vectors, count));
  const auto pidfd = TRY(load_pidfd(task, fd));
  // What changes nothing that the process could see.
  if (advice != abi::kAdviceWillNeed && advice != abi::kAdviceCold && advice != abi::kAdvicePageOut)
    return Errno::kInval;
  const auto target = pidfd->of_member() ? Ref<Task>() : find_task_of(pidfd->process());
  if (!target) return Errno::kSrch;
  if (!may_inspect(task, *target, true)) return Errno::kPerm;
  if (!task.credentials().capable(Capability::kSysNice)) return Errno::kPerm;
  const auto memory = target->memory_copy();
  if (!memory) return Errno::kSrch;
  i64 advised = 0;
  for (UserBuffer piece = pieces.front(); piece.size != 0; piece = pieces.front()) {
    auto done = memory->advise(piece.addr, piece.size, advice);
    if (!done.ok()) return advised > 0 ? SysResult(advised) : SysResult(done.error());
    advised += i64(piece.size);
    pieces.consume(piece.size);
  }
  return advised;
}

// Memory goes with the last task on its own; only what is not ending is refused.
SysResult sys::process_mrelease(Task& task, Fd fd, HexInt flags) {
  if (flags.value != 0) return Errno::kInval;
  const auto pidfd = TRY(load_pidfd(task, fd));
  if (pidfd->of_member()) return Errno::kSrch;
  SpinGuard guard(thread_list_lock);
  if (pidfd->process().task_count() == 0) return Errno::kSrch;
  if (!pidfd->process().exiting()) return Errno::kInval;
  return i64{0};
}

}  // namespace narwhal
