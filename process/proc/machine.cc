#include "process/proc/machine.h"

#include "fs/proc/tree.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/reclaim.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/cpus.h"
#include "process/load.h"
#include "process/pid_table.h"

namespace narwhal {
namespace {

constexpr u64 kTickNs = 10'000'000;  // USER_HZ

Result<> show_loadavg(TextSink& out) {
  const LoadAverages loads = load_averages();
  // As Linux rounds: to the nearest hundredth.
  constexpr u64 kOne = u64{1} << kLoadShift;
  for (const u64 load : {loads.minutes_1, loads.minutes_5, loads.minutes_15}) {
    const u64 rounded = load + kOne / 200;
    out << rounded / kOne << '.' << padded(rounded % kOne * 100 / kOne, 2, '0') << ' ';
  }
  const TaskCounts counts = count_tasks();
  out << counts.runnable << '/' << counts.all << ' ' << last_pid() << '\n';
  return {};
}

CpuTimes all_cpu_times() {
  CpuTimes all;
  for (u32 cpu = 0; cpu < platform::cpu_count(); ++cpu) {
    const CpuTimes times = cpu_times(cpu);
    all.user_ns += times.user_ns;
    all.system_ns += times.system_ns;
    all.idle_ns += times.idle_ns;
  }
  return all;
}

void show_seconds(TextSink& out, u64 ns) {
  out << ns / kNanosPerSecond << '.' << padded(ns % kNanosPerSecond / kTickNs, 2, '0');
}

Result<> show_uptime(TextSink& out) {
  show_seconds(out, platform::monotonic_ns());
  out << ' ';
  show_seconds(out, all_cpu_times().idle_ns);
  out << '\n';
  return {};
}

void show_cpu(TextSink& out, const CpuTimes& times) {
  out << times.user_ns / kTickNs << " 0 " << times.system_ns / kTickNs << ' '
      << times.idle_ns / kTickNs << " 0 0 0 0 0 0\n";
}

Result<> show_stat(TextSink& out) {
  out << "cpu  ";
  show_cpu(out, all_cpu_times());
  for (u32 cpu = 0; cpu < platform::cpu_count(); ++cpu) {
    out << "cpu" << cpu << ' ';
    show_cpu(out, cpu_times(cpu));
  }
  const ResourceUsage usage = total_usage();
  out << "intr 0\nctxt " << usage.voluntary_switches + usage.involuntary_switches << "\nbtime "
      << wall_clock_offset_ns() / i64(kNanosPerSecond) << "\nprocesses " << tasks_made()
      << "\nprocs_running " << count_tasks().runnable
      << "\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n";
  return {};
}

// Of what Linux counts, the part that tools insist on. Nothing is swapped.
Result<> show_vmstat(TextSink& out) {
  const MemoryStatistics memory = memory_statistics();
  const u64 shared = memory.object_frames - reclaimable_frames();
  out << "nr_free_pages " << memory.free_frames << "\nnr_anon_pages " << memory.anonymous_frames
      << "\nnr_mapped " << memory.object_frames << "\nnr_file_pages " << memory.object_frames
      << "\nnr_dirty " << changed_frames() << "\nnr_writeback 0\nnr_shmem " << shared
      << "\nnr_page_table_pages " << memory.page_table_frames << "\nnr_slab_unreclaimable "
      << memory.slab_frames << "\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault "
      << total_usage().minor_faults << "\npgmajfault 0\n";
  return {};
}

}  // namespace

Result<> proc_add_process_counts() {
  TRY(proc_add_text("", "loadavg", show_loadavg));
  TRY(proc_add_text("", "uptime", show_uptime));
  TRY(proc_add_text("", "stat", show_stat));
  TRY(proc_add_text("", "vmstat", show_vmstat));
  start_load_sampling();
  return {};
}

}  // namespace narwhal
