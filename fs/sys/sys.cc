#include "fs/sys/sys.h"

#include "fs/block/disk_sys.h"
#include "fs/generated/generated.h"
#include "fs/loop/loop_sys.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/rewrite/call_ways.h"

namespace narwhal {
namespace {

constexpr i64 kSysfsMagic = 0x62656572;  // SYSFS_MAGIC
constexpr std::string_view kCpuDirectory = "devices/system/cpu";

constinit GeneratedFileSystem* the_file_system = nullptr;  // lives as long as the machine

Result<Ref<FileSystem>> create_sysfs(std::string_view) {
  return Ref<FileSystem>(the_file_system);
}
[[clang::no_destroy]] constinit FileSystemType sysfs_type{{}, "sysfs", create_sysfs};

// "0" or "0-3", as a list of CPUs is written (cpuset(7)).
Result<> show_cpus(TextSink& out) {
  const u32 count = platform::cpu_count();
  out << '0';
  if (count > 1) out << '-' << count - 1;
  out << '\n';
  return {};
}

Result<> show_node_memory(TextSink& out) {
  constexpr u64 kKiBPerFrame = kPageSize / kKiB;
  const MemoryStatistics m = memory_statistics();
  const struct {
    std::string_view name;
    u64 frames;
  } lines[] = {{"MemTotal", m.total_frames},
               {"MemFree", m.free_frames},
               {"MemUsed", m.total_frames - m.free_frames},
               {"AnonPages", m.anonymous_frames}};
  for (const auto& line : lines) {
    out << "Node 0 " << line.name << ':';
    for (usize width = line.name.size(); width < 15; ++width) out << ' ';
    out << padded(line.frames * kKiBPerFrame, 8) << " kB\n";
  }
  return {};
}

class CpuName {
 public:
  static constexpr usize kMost = 64;
  // "cpu0" to "cpu63" as constant strings.
  static std::string_view of(u32 index) {
    static constinit char names[kMost][8] = {};
    TextSink sink(names[index], sizeof names[index]);
    sink << "cpu" << index;
    return sink.view();
  }
};

// The mask of all CPUs in hexadecimal, as cpumap has it.
Result<> show_cpu_mask(TextSink& out) {
  const u32 count = platform::cpu_count();
  out << hex_digits(count >= 64 ? ~u64{0} : (u64{1} << count) - 1, div_round_up(count, 4u)) << '\n';
  return {};
}

// Of our own: how system calls came in.
Result<> show_call_ways(TextSink& out) {
  const CallCount all = call_ways.sum();
  out << "rewriting " << u32(call_ways.rewriting) << "\ndirect " << all.direct << "\ncaught "
      << all.caught << "\nrewritten " << all.rewritten << '\n';
  return {};
}

// All memory is one node (numa(7)).
Result<> add_memory_node(GeneratedFileSystem& sys) {
  constexpr std::string_view kNodes = "devices/system/node", kNode = "devices/system/node/node0";
  for (std::string_view name : {"online", "possible", "has_cpu", "has_memory", "has_normal_memory"})
    TRY(generated_add(sys, kNodes, name, TRY(make_constant_file(sys, "0\n"))));
  TRY(generated_add(sys, kNode, "distance", TRY(make_constant_file(sys, "10\n"))));
  TRY(generated_add(sys, kNode, "cpulist", TRY(make_text_file(sys, show_cpus))));
  TRY(generated_add(sys, kNode, "cpumap", TRY(make_text_file(sys, show_cpu_mask))));
  return generated_add(sys, kNode, "meminfo", TRY(make_text_file(sys, show_node_memory)));
}

}  // namespace

Result<> sys_init() {
  auto fs = TRY(
      make_ref<GeneratedFileSystem>("sysfs", kSysfsMagic, GeneratedFileSystem::Creation::kRefused));
  fs->set_root(TRY(make_directory(*fs)));
  the_file_system = fs.release();
  GeneratedFileSystem& sys = *the_file_system;
  for (std::string_view name : {"online", "possible", "present"})
    TRY(generated_add(sys, kCpuDirectory, name, TRY(make_text_file(sys, show_cpus))));
  for (std::string_view name : {"offline", "isolated"})
    TRY(generated_add(sys, kCpuDirectory, name, TRY(make_constant_file(sys, "\n"))));
  for (u32 cpu = 0; cpu < platform::cpu_count() && cpu < CpuName::kMost; ++cpu)
    TRY(generated_add(sys, kCpuDirectory, CpuName::of(cpu), TRY(make_directory(sys))));
  TRY(add_memory_node(sys));
  TRY(generated_add(sys, "kernel/mm/transparent_hugepage", "enabled",
                    TRY(make_constant_file(sys, "always [madvise] never\n"))));
  TRY(generated_add(sys, "kernel/mm/transparent_hugepage", "hpage_pmd_size",
                    TRY(make_constant_file(sys, "2097152\n"))));
  if (call_ways.counted)
    TRY(generated_add(sys, "kernel/narwhal", "calls", TRY(make_text_file(sys, show_call_ways))));
  TRY(loop_add_to_sys(sys));
  TRY(disks_add_to_sys(sys));
  register_file_system_type(sysfs_type);
  return {};
}

}  // namespace narwhal
