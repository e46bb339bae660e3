#include "fs/proc/machine_files.h"

#include "fs/aio/aio_context.h"
#include "fs/block/disk_sys.h"
#include "fs/core/lease.h"
#include "fs/core/special_file.h"
#include "fs/generated/numbers.h"
#include "fs/inotify/inotify.h"
#include "fs/loop/loop_sys.h"
#include "fs/proc/kernel_config.h"
#include "fs/proc/tree.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/promise.h"
#include "kernel/mm/reclaim.h"
#include "kernel/random/random.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/kernel_stack.h"
#include "kernel/uts/uts.h"

namespace narwhal {
namespace {

constexpr u64 kKiBPerFrame = kPageSize / kKiB;

void line_kib(TextSink& out, std::string_view name, u64 kib) {
  out << name << ':';
  for (usize width = name.size() + 1; width < 16; ++width) out << ' ';
  out << padded(kib, 8) << " kB\n";
}

Result<> show_meminfo(TextSink& out) {
  const MemoryStatistics m = memory_statistics();
  // Linux calls the pages of block devices buffers. They can be had back; the rest of the page
  // cache is the only copy of tmpfs's files, and can't.
  const u64 buffers = reclaimable_frames() * kKiBPerFrame;
  const u64 free = m.free_frames * kKiBPerFrame;
  const u64 cached = m.object_frames * kKiBPerFrame - buffers;
  const struct {
    std::string_view name;
    u64 kib;
  } lines[] = {
      {"MemTotal", m.total_frames * kKiBPerFrame},
      {"MemFree", free},
      {"MemAvailable", free + buffers},
      {"Buffers", buffers},
      {"Cached", cached},
      {"SwapCached", 0},
      {"Active", cached + buffers + m.anonymous_frames * kKiBPerFrame},
      {"Inactive", 0},
      {"Unevictable", 0},
      {"Mlocked", 0},
      {"SwapTotal", 0},
      {"SwapFree", 0},
      {"Dirty", changed_frames() * kKiBPerFrame},
      {"Writeback", 0},
      {"AnonPages", m.anonymous_frames * kKiBPerFrame},
      {"Mapped", cached},
      {"Shmem", cached},
      {"KReclaimable", 0},
      {"Slab", m.slab_frames * kKiBPerFrame},
      {"SReclaimable", 0},
      {"SUnreclaim", m.slab_frames * kKiBPerFrame},
      {"KernelStack", kernel_stacks() * (kKernelStackSize / kKiB)},
      {"PageTables", m.page_table_frames * kKiBPerFrame},
      {"CommitLimit", promise_limit() * kKiBPerFrame},
      {"Committed_AS", promised_pages() * kKiBPerFrame},
      {"VmallocTotal", 0},
      {"VmallocUsed", 0},
      {"AnonHugePages", 0},
  };
  for (const auto& line : lines) line_kib(out, line.name, line.kib);
  out << "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\n"
         "HugePages_Surp:        0\nHugepagesize:       2048 kB\n";
  return {};
}

Result<> show_cpuinfo(TextSink& out) {
  const platform::CpuIdentity& id = platform::cpu_identity();
  char flags[2048];
  const usize flags_size = platform::cpu_flags(flags);
  for (u32 cpu = 0; cpu < platform::cpu_count(); ++cpu) {
    const u64 mhz = id.tsc_khz / 1000, fraction = id.tsc_khz % 1000;
    out << "processor\t: " << cpu << "\nvendor_id\t: " << id.vendor
        << "\ncpu family\t: " << id.family << "\nmodel\t\t: " << id.model
        << "\nmodel name\t: " << id.brand << "\nstepping\t: " << id.stepping
        << "\ncpu MHz\t\t: " << mhz << '.' << padded(fraction, 3, '0')
        << "\ncache size\t: 512 KB\nphysical id\t: 0\nsiblings\t: " << platform::cpu_count()
        << "\ncore id\t\t: " << cpu << "\ncpu cores\t: " << platform::cpu_count()
        << "\napicid\t\t: " << cpu << "\ninitial apicid\t: " << cpu
        << "\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\nflags\t\t: "
        << std::string_view(flags, flags_size)
        << "\nbugs\t\t:\nbogomips\t: " << id.tsc_khz * 2 / 1000 << '.'
        << padded(id.tsc_khz * 2 % 1000 / 10, 2, '0')
        << "\nclflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: 48 bits physical, 48 "
           "bits virtual\n"
           "power management:\n\n";
  }
  return {};
}

Result<> show_filesystems(TextSink& out) {
  for_each_file_system_type(
      [](const FileSystemType& type, void* argument) {
        *static_cast<TextSink*>(argument) << "nodev\t" << type.name << '\n';
      },
      &out);
  return {};
}

void hex_group(TextSink& out, u64 value, unsigned digits, bool dash) {
  out << hex_digits(value & ((u64{1} << (digits * 4)) - 1), digits);
  if (dash) out << '-';
}

// RFC 4122, version 4.
Result<> show_uuid_of(TextSink& out, u64 high, u64 low) {
  hex_group(out, high >> 32, 8, true);
  hex_group(out, high >> 16, 4, true);
  hex_group(out, (high & 0x0fff) | 0x4000, 4, true);
  hex_group(out, ((low >> 48) & 0x3fff) | 0x8000, 4, true);
  hex_group(out, low, 12, false);
  out << '\n';
  return {};
}

Result<> show_boot_id(TextSink& out) {
  // The same for as long as the machine runs. Two who are the first at once must agree.
  static constinit Atomic<u64> high{0}, low{0};
  for (Atomic<u64>* half : {&high, &low}) {
    u64 unset = 0;
    if (half->load() == 0) half->compare_exchange(unset, random_u64() | 1);
  }
  return show_uuid_of(out, high.load(), low.load());
}

Result<> show_uuid(TextSink& out) {
  return show_uuid_of(out, random_u64(), random_u64());
}

Result<> show_version(TextSink& out) {
  out << kSystemName << " version " << kKernelRelease << " (narwhal@narwhal) (clang) "
      << kKernelVersion << '\n';
  return {};
}

template <std::string_view const& text>
Result<> show_name(TextSink& out) {
  out << text << '\n';
  return {};
}

Result<> show_host_name(TextSink& out) {
  out << host_name().view() << '\n';
  return {};
}
Result<> store_host_name(std::string_view text) {
  return set_host_name(text.substr(0, text.find('\n')));
}
Result<> show_domain_name(TextSink& out) {
  out << domain_name().view() << '\n';
  return {};
}
Result<> store_domain_name(std::string_view text) {
  return set_domain_name(text.substr(0, text.find('\n')));
}

void list_devices(TextSink& out, FileType type) {
  for_each_device(
      type,
      [](const DeviceRange& device, void* argument) {
        *static_cast<TextSink*>(argument) << padded(device.major, 3) << ' ' << device.name << '\n';
      },
      &out);
}

Result<> show_devices(TextSink& out) {
  out << "Character devices:\n";
  list_devices(out, FileType::kCharacterDevice);
  out << "\nBlock devices:\n";
  list_devices(out, FileType::kBlockDevice);
  return {};
}

Result<> show_partitions(TextSink& out) {
  TRY(loop_show_partitions(out));
  return disks_show_partitions(out);
}

// --- leases, fcntl(2)

template <auto& Setting>
Result<> show_number(TextSink& out) {
  out << Setting.load() << '\n';
  return {};
}
template <auto& Setting>
Result<> store_number(std::string_view text) {
  Setting.store(u32(TRY(take_number(text, INT32_MAX))));
  return {};
}

}  // namespace

Result<> proc_add_machine_files() {
  TRY(proc_add_text("", "meminfo", show_meminfo));
  TRY(proc_add_text("", "cpuinfo", show_cpuinfo));
  TRY(proc_add_text("", "filesystems", show_filesystems));
  TRY(proc_add_text("sys/kernel/random", "boot_id", show_boot_id));
  TRY(proc_add_text("sys/kernel/random", "uuid", show_uuid));
  TRY(proc_add_text("", "version", show_version));
  TRY(proc_add_text("", "devices", show_devices));
  TRY(proc_add_text("", "partitions", show_partitions));
  TRY(proc_add_text("", "diskstats", disks_show_statistics));
  TRY(proc_add_text("sys/kernel", "ostype", show_name<kSystemName>));
  TRY(proc_add_text("sys/kernel", "osrelease", show_name<kKernelRelease>));
  TRY(proc_add_text("sys/kernel", "version", show_name<kKernelVersion>));
  TRY(proc_add_text("sys/kernel", "hostname", show_host_name, store_host_name));
  TRY(proc_add_text("sys/kernel", "domainname", show_domain_name, store_domain_name));
  TRY(proc_add_text("sys/fs", "lease-break-time", show_number<Leases::break_time_s>,
                    store_number<Leases::break_time_s>));
  TRY(proc_add_text("sys/fs", "aio-nr", show_number<AioContext::events_in_use>));
  TRY(proc_add_text("sys/fs", "aio-max-nr", show_number<AioContext::max_events>,
                    store_number<AioContext::max_events>));
  TRY(proc_add_text("sys/fs/inotify", "max_user_instances", show_number<inotify::max_instances>,
                    store_number<inotify::max_instances>));
  TRY(proc_add_text("sys/fs/inotify", "max_user_watches", show_number<inotify::max_watches>,
                    store_number<inotify::max_watches>));
  TRY(proc_add_text("sys/fs/inotify", "max_queued_events", show_number<inotify::max_events>,
                    store_number<inotify::max_events>));
  TRY(proc_add_text("sys/fs", "leases-enable", show_number<Leases::enabled>,
                    store_number<Leases::enabled>));
  // What the machine was started with is Narwhal's own and may hold secrets of the environment.
  TRY(proc_add_constant("", "cmdline", "\n"));
  TRY(proc_add_constant("", "swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"));
  TRY(proc_add_constant("", "modules", ""));
  TRY(proc_add("", "mounts", TRY(make_link(proc_file_system(), "self/mounts"))));
  TRY(proc_add_constant("", "config.gz", packed_kernel_config()));
  return {};
}

}  // namespace narwhal
