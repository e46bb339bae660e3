#include "fs/proc/settings.h"

#include "fs/generated/numbers.h"
#include "fs/proc/tree.h"

namespace narwhal {

constinit Atomic<i32> console_levels[4] = {Atomic<i32>(4), Atomic<i32>(4), Atomic<i32>(1),
                                           Atomic<i32>(7)};

namespace {

struct ConstantSetting {
  std::string_view directory, name, text;
};
// What is built in here: read-only, although Linux lets one change some of it.
constexpr ConstantSetting kConstants[] = {
    {"sys/kernel", "overflowuid", "65534\n"},
    {"sys/kernel", "overflowgid", "65534\n"},
    {"sys/kernel", "ngroups_max", "65536\n"},
    {"sys/kernel", "cap_last_cap", "40\n"},
    {"sys/kernel", "randomize_va_space", "2\n"},
    {"sys/kernel", "sched_rr_timeslice_ms", "100\n"},
    {"sys/kernel/random", "entropy_avail", "256\n"},
    {"sys/kernel/random", "poolsize", "256\n"},
    {"sys/vm", "mmap_min_addr", "65536\n"},
    {"sys/vm", "nr_hugepages", "0\n"},
    {"sys/fs", "file-max", "9223372036854775807\n"},
    {"sys/fs", "pipe-user-pages-soft", "16384\n"},
    {"sys/fs/epoll", "max_user_watches", "1048576\n"},
    {"sys/net/core", "somaxconn", "4096\n"},
    {"sys/net/core", "rmem_max", "212992\n"},
    {"sys/net/core", "wmem_max", "212992\n"},
    {"sys/net/core", "rmem_default", "212992\n"},
    {"sys/net/core", "wmem_default", "212992\n"},
    {"sys/net/ipv4", "ip_local_port_range", "32768\t60999\n"},
    {"sys/net/ipv4", "tcp_max_syn_backlog", "4096\n"},
    {"sys/net/ipv4", "tcp_fin_timeout", "60\n"},
    {"sys/net/ipv4", "tcp_keepalive_time", "7200\n"},
    {"sys/net/ipv4", "tcp_keepalive_intvl", "75\n"},
    {"sys/net/ipv4", "tcp_keepalive_probes", "9\n"},
    {"sys/net/ipv4", "ip_forward", "0\n"},
    {"sys/net/ipv4", "ip_unprivileged_port_start", "1024\n"},
    {"sys/net/ipv6/conf/all", "disable_ipv6", "0\n"},
};

struct NumberSetting {
  std::string_view directory, name;
  i64 value, least, most;
};
// What scripts set, and what means nothing here, because there is no swap, no cache that could be
// given up, no messages on a console, no modules that taint: written and read back as on Linux.
constexpr NumberSetting kNumbers[] = {
    {"sys/kernel", "tainted", 0, 0, INT64_MAX},
    {"sys/kernel", "perf_event_paranoid", 4, INT32_MIN, INT32_MAX},
    {"sys/kernel", "dmesg_restrict", 0, 0, 1},
    {"sys/kernel", "kptr_restrict", 0, 0, 2},
    {"sys/kernel", "panic", 0, INT32_MIN, INT32_MAX},
    {"sys/kernel", "panic_on_oops", 0, INT32_MIN, INT32_MAX},
    {"sys/kernel/keys", "gc_delay", 300, 0, INT32_MAX},
    {"sys/vm", "panic_on_oom", 0, 0, 2},
    {"sys/vm", "oom_kill_allocating_task", 0, INT32_MIN, INT32_MAX},
    {"sys/vm", "swappiness", 60, 0, 200},
    {"sys/vm", "min_free_kbytes", 4096, 0, INT32_MAX},
    {"sys/vm", "vfs_cache_pressure", 100, 0, INT32_MAX},
    {"sys/vm", "dirty_ratio", 20, 0, 100},
    {"sys/vm", "dirty_background_ratio", 10, 0, 100},
    {"sys/net/ipv4/conf/all", "tag", 0, INT32_MIN, INT32_MAX},
    {"sys/net/ipv4/conf/default", "tag", 0, INT32_MIN, INT32_MAX},
    {"sys/net/ipv4/conf/lo", "tag", 0, INT32_MIN, INT32_MAX},
};

class NumberFile final : public GeneratedFile {
 public:
  NumberFile(GeneratedFileSystem& fs, const NumberSetting& setting)
      : GeneratedFile(fs, 0644), setting_(setting), value_(setting.value) {}
  Result<> show(TextSink& out) override {
    out << value_.load() << '\n';
    return {};
  }
  Result<> store(std::string_view text) override {
    value_.store(TRY(take_signed_number(text, setting_.least, setting_.most)));
    return {};
  }

 private:
  const NumberSetting& setting_;
  Atomic<i64> value_;
};

// Orders, not values: there are no caches beside the files themselves, and statistics are always
// up to date.
Result<> show_nothing(TextSink&) {
  return {};
}
Result<> store_drop_caches(std::string_view text) {
  TRY(take_signed_number(text, 1, 4));
  return {};
}
Result<> store_compact_memory(std::string_view text) {
  TRY(take_signed_number(text, 1, 1));
  return {};
}
Result<> show_console_levels(TextSink& out) {
  for (const Atomic<i32>& level : console_levels)
    out << level.load() << (&level == &console_levels[3] ? '\n' : '\t');
  return {};
}
Result<> store_console_levels(std::string_view text) {
  // What is not written keeps its value.
  for (Atomic<i32>& level : console_levels) {
    const auto value = take_signed_number(text, INT32_MIN, INT32_MAX);
    if (!value.ok()) return &level == console_levels ? Result<>(value.error()) : Result<>();
    level.store(i32(value.value()));
  }
  return {};
}
Result<> store_anything(std::string_view) {
  return {};
}

}  // namespace

Result<> proc_add_settings() {
  for (const ConstantSetting& setting : kConstants)
    TRY(proc_add_constant(setting.directory, setting.name, setting.text));
  for (const NumberSetting& setting : kNumbers) {
    auto file = TRY(make_ref<NumberFile>(proc_file_system(), setting));
    TRY(proc_add(setting.directory, setting.name, Ref<Inode>(std::move(file))));
  }
  TRY(proc_add_text("sys/kernel", "printk", show_console_levels, store_console_levels));
  TRY(proc_add_text("sys/vm", "drop_caches", show_nothing, store_drop_caches));
  TRY(proc_add_text("sys/vm", "compact_memory", show_nothing, store_compact_memory));
  return proc_add_text("sys/vm", "stat_refresh", show_nothing, store_anything);
}

}  // namespace narwhal
