// /proc/sysrq-trigger: the commands of Linux's "magic system request" key that mean something here
// (Documentation/admin-guide/sysrq.rst). The first character counts. Also the settings of
// /proc/sys that concern memory and tasks.
#include "process/proc/sysrq.h"

#include "fs/proc/proc.h"
#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/mm/frame.h"
#include "process/out_of_memory.h"
#include "process/pid_table.h"

namespace narwhal {
namespace {

void show_memory() {
  const MemoryStatistics m = memory_statistics();
  constexpr u64 kKiBPerFrame = kPageSize / kKiB;
  LOG_ERROR("sysrq: memory " << m.total_frames * kKiBPerFrame << " kB, free "
                             << m.free_frames * kKiBPerFrame << " kB, files "
                             << m.object_frames * kKiBPerFrame << " kB, programs "
                             << m.anonymous_frames * kKiBPerFrame << " kB, heap "
                             << m.slab_frames * kKiBPerFrame << " kB, page tables "
                             << m.page_table_frames * kKiBPerFrame << " kB");
}

class SysrqFile final : public GeneratedFile {
 public:
  explicit SysrqFile(GeneratedFileSystem& fs) : GeneratedFile(fs, 0200) {}
  Result<> show(TextSink&) override { return Errno::kIo; }
  Result<> store(std::string_view text) override {
    switch (text.empty() ? '\0' : text.front()) {
      case 'c':
        panic("sysrq triggered crash");
      case 'f':
        if (!kill_largest_process()) LOG_ERROR("sysrq: there is no process that may be killed");
        break;
      case 'm':
        show_memory();
        break;
      default:
        LOG_ERROR("sysrq: HELP : crash(c) memory-full-oom-kill(f) show-memory-usage(m)");
    }
    return {};
  }
};

// --- numbers

Result<u64> parse_setting(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  if (text.empty() || text.size() > 9) return Errno::kInval;
  u64 value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return Errno::kInval;
    value = value * 10 + u64(c - '0');
  }
  return value;
}

Result<> show_overcommit(TextSink& out) {
  out << (overcommits_always.load() ? 1 : 0) << '\n';
  return {};
}

// 2, strict accounting, is refused: nothing here counts what was promised.
Result<> store_overcommit(std::string_view text) {
  const u64 value = TRY(parse_setting(text));
  if (value > 1) return Errno::kInval;
  overcommits_always.store(value == 1);
  return {};
}

Result<> show_task_limit(TextSink& out) {
  out << task_limit.load() << '\n';
  return {};
}

Result<> store_task_limit(std::string_view text) {
  const u64 value = TRY(parse_setting(text));
  if (value < 1 || value > kPidLimit) return Errno::kInval;
  task_limit.store(u32(value));
  return {};
}

}  // namespace

Result<> proc_add_sysrq() {
  auto file = TRY(make_ref<SysrqFile>(proc_file_system()));
  TRY(proc_add("", "sysrq-trigger", Ref<Inode>(std::move(file))));
  TRY(proc_add_text("sys/vm", "overcommit_memory", show_overcommit, store_overcommit));
  return proc_add_text("sys/kernel", "threads-max", show_task_limit, store_task_limit);
}

}  // namespace narwhal
