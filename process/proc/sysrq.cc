// /proc/sysrq-trigger: the commands of Linux's "magic system request" key that mean something here
// (Documentation/admin-guide/sysrq.rst). The first character counts.
#include "process/proc/sysrq.h"

#include "fs/proc/tree.h"
#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/mm/frame.h"
#include "process/out_of_memory.h"

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

}  // namespace

Result<> proc_add_sysrq() {
  auto file = TRY(make_ref<SysrqFile>(proc_file_system()));
  return proc_add("", "sysrq-trigger", Ref<Inode>(std::move(file)));
}

}  // namespace narwhal
