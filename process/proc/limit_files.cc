// /proc/sys: how much of something there may be, of memory, tasks and descriptors.
#include <bit>

#include "fs/generated/numbers.h"
#include "fs/pipe/pipe.h"
#include "fs/proc/tree.h"
#include "fs/tmpfs/tmpfs.h"
#include "kernel/mm/promise.h"
#include "process/fd_table.h"
#include "process/pid_table.h"
#include "process/proc/machine.h"

namespace narwhal {
namespace {

Result<> show_overcommit(TextSink& out) {
  out << u32(overcommit_policy()) << '\n';
  return {};
}

Result<> store_overcommit(std::string_view text) {
  set_overcommit_policy(Overcommit(TRY(take_number(text, u32(Overcommit::kNever)))));
  return {};
}

template <auto& Limit>
Result<> show_limit(TextSink& out) {
  out << Limit.load() << '\n';
  return {};
}
template <auto& Limit, u32 least, u32 most>
Result<> store_limit(std::string_view text) {
  const u64 value = TRY(take_number(text, most));
  if (value < least) return Errno::kInval;
  Limit.store(u32(value));
  return {};
}
template <auto& Limit, u32 least, u32 most>
Result<> add_limit(std::string_view directory, std::string_view name) {
  return proc_add_text(directory, name, show_limit<Limit>, store_limit<Limit, least, most>);
}

// Rounded up as pipes are: to a power of two, and at least a page.
Result<> store_pipe_size(std::string_view text) {
  u64 size = TRY(take_number(text, u64{1} << 31));
  if (size < kPageSize) size = kPageSize;
  pipe_max_bytes.store(u32(std::bit_ceil(size)));
  return {};
}

Result<> show_last_pid(TextSink& out) {
  out << last_pid() << '\n';
  return {};
}
Result<> store_last_pid(std::string_view text) {
  set_last_pid(u32(TRY(take_number(text, pid_limit.load()))));
  return {};
}

}  // namespace

Result<> proc_add_limits() {
  constexpr u32 kLeastPids = 301;  // some are kept for what runs first
  constexpr u32 kLeastDescriptors = 64, kMostDescriptors = INT32_MAX & ~63;
  TRY(proc_add_text("sys/vm", "overcommit_memory", show_overcommit, store_overcommit));
  TRY((add_limit<overcommit_ratio, 0, INT32_MAX>("sys/vm", "overcommit_ratio")));
  TRY((add_limit<max_map_count, 0, INT32_MAX>("sys/vm", "max_map_count")));
  TRY((add_limit<memory_file_execution, 0, 2>("sys/vm", "memfd_noexec")));
  TRY((add_limit<task_limit, 1, kPidLimit>("sys/kernel", "threads-max")));
  TRY((add_limit<pid_limit, kLeastPids, kPidLimit>("sys/kernel", "pid_max")));
  TRY((add_limit<max_descriptors, kLeastDescriptors, kMostDescriptors>("sys/fs", "nr_open")));
  TRY(proc_add_text("sys/fs", "pipe-max-size", show_limit<pipe_max_bytes>, store_pipe_size));
  return proc_add_text("sys/kernel", "ns_last_pid", show_last_pid, store_last_pid);
}

}  // namespace narwhal
