// rseq(2).
#include "process/rseq.h"

#include "syscalls/handlers.h"

namespace narwhal {
namespace {

SysResult unregister(Task& task, UserAddr area, u32 length, u32 signature) {
  if (task.rseq_area.value == 0 || task.rseq_area.value != area.value || task.rseq_length != length)
    return Errno::kInval;
  if (task.rseq_signature != signature) return Errno::kPerm;
  TRY(rseq_store_none(task));
  task.rseq_area = UserAddr();
  task.rseq_length = 0;
  task.rseq_signature = 0;
  return i64{0};
}

}  // namespace

SysResult sys::rseq(Task& task, UserAddr area, u32 length, HexInt flags, HexInt signature) {
  constexpr u32 kUnregister = 1;
  if (flags.value == kUnregister) return unregister(task, area, length, signature.value);
  if (flags.value != 0) return Errno::kInval;
  if (task.rseq_area.value != 0) {
    if (task.rseq_area.value != area.value || task.rseq_length != length) return Errno::kInval;
    return task.rseq_signature != signature.value ? Errno::kPerm : Errno::kBusy;
  }
  if (length != sizeof(RseqArea) || !is_aligned(area.value, sizeof(RseqArea))) return Errno::kInval;
  if (!user_range_ok(area, length)) return Errno::kFault;
  task.rseq_area = area;
  task.rseq_length = length;
  task.rseq_signature = signature.value;
  // The way back writes the CPU's number, and looks for a critical section left from before.
  task.set_user_work(UserWork::kNotifyResume);
  return i64{0};
}

}  // namespace narwhal
