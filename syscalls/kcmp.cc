// kcmp(2): whether two tasks share a thing.
#include "kernel/random/random.h"
#include "process/access.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

enum class Shared : i32 { kFile, kMemory, kFiles, kFsContext, kHandlers, kIo, kSemaphores, kEpoll };

// The order of things must be lasting, so that a program can sort by it, and say nothing about
// where they are in memory.
u64 order_of(const void* thing) {
  static constinit Atomic<u64> secret{0};
  if (secret.load(Order::kRelaxed) == 0) {
    u64 unset = 0;
    secret.compare_exchange(unset, random_u64() | 1, Order::kRelaxed);
  }
  return reinterpret_cast<u64>(thing) * secret.load(Order::kRelaxed);
}

// 0: the same; 1, 2: before, after.
SysResult compare(const void* first, const void* second) {
  const u64 a = order_of(first), b = order_of(second);
  return i64{a < b ? 1 : a > b ? 2 : 0};
}

// Tables without a table are alike, as those of tasks that have ended.
Result<FileRef> file_at(const Ref<FdTable>& files, u64 fd) {
  if (!files || fd > 0x7fff'ffff) return Errno::kBadF;
  return files->get_any(i32(fd));
}

}  // namespace

SysResult sys::kcmp(Task& task, Pid pid1, Pid pid2, i32 type, u64 index1, u64 index2) {
  if (pid1.value <= 0 || pid2.value <= 0) return Errno::kSrch;
  const auto first = find_task(u32(pid1.value)), second = find_task(u32(pid2.value));
  if (!first || !second) return Errno::kSrch;
  if (!may_inspect(task, *first) || !may_inspect(task, *second)) return Errno::kPerm;
  switch (Shared(type)) {
    case Shared::kFile: {
      const FileRef a = TRY(file_at(first->files_copy(), index1));
      const FileRef b = TRY(file_at(second->files_copy(), index2));
      return compare(a.get(), b.get());
    }
    case Shared::kMemory:
      return compare(first->memory_copy().get(), second->memory_copy().get());
    case Shared::kFiles:
      return compare(first->files_copy().get(), second->files_copy().get());
    case Shared::kFsContext:
      return compare(first->fs_copy().get(), second->fs_copy().get());
    case Shared::kHandlers:
      return compare(&first->process().handlers(), &second->process().handlers());
    case Shared::kIo:
      return i64{0};  // nobody has any
    case Shared::kSemaphores:
      return compare(first->semaphore_undo_copy().get(), second->semaphore_undo_copy().get());
    case Shared::kEpoll:
      return Errno::kOpNotSupp;
  }
  return Errno::kInval;
}

}  // namespace narwhal
