// From the kernel's way up to the program's first instruction: what this process gives up. The
// filter (filter.h) is the wall; the rest stands behind it, for the day when it has a hole.
// docs/threat-model.md says against whom.
#include "kernel/platform/process/confine.h"

#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/platform/process/debugger.h"
#include "kernel/platform/process/filter.h"
#include "kernel/platform/process/host_process.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/process/processors.h"
#include "kernel/platform/process/time.h"
#include "kernel/platform/process/writer.h"

namespace narwhal::process_home {
namespace {

constexpr usize kMostStreams = Filter::kMostStreams;
constinit int streams[kMostStreams] = {};
constinit usize stream_count = 0;

void close_others(std::span<const int> used) {
  // From one descriptor in use to the next.
  u32 from = 0;
  for (;;) {
    u32 next = ~u32{0};
    for (const int fd : used)
      if (fd >= 0 && u32(fd) >= from && u32(fd) < next) next = u32(fd);
    if (next != from) host::close_range(from, next == ~u32{0} ? next : next - 1);
    if (next == ~u32{0}) return;
    from = next + 1;
  }
}

void warn_unless(bool done, const char* what) {
  if (!done) LOG_WARN("confinement: " << what);
}

// The host's page tables are made of the host's memory: one that may map its memory file anywhere
// and as often as it likes could fill all of it with them. This is far more than any program's
// mappings take, and reaching it only empties the cache of mappings.
u64 most_address_space() {
  constexpr u64 kTimes = 16;
  return kWindowSize + kTimes * boot_state.memory_size + 4 * kGiB;
}

void limit_resources(std::span<const int> used) {
  using enum host::Limit;
  int highest = -1;
  for (const int fd : used) highest = fd > highest ? fd : highest;
  const struct {
    host::Limit which;
    u64 most;
  } limits[] = {{kCoreFile, 0},
                {kLockedMemory, 0},
                {kMessageQueues, 0},
                {kDescriptors, u64(highest) + 1},
                {kAddressSpace, most_address_space()}};
  for (const auto& limit : limits)
    warn_unless(host::set_limit(limit.which, limit.most).ok(), "a limit could not be set");
}

}  // namespace

void grant(int fd) {
  ASSERT(stream_count < kMostStreams);
  streams[stream_count++] = fd;
}

void confine() {
  const std::span<const int> devices(streams, stream_count);
  for (const int fd : boot_state.streams) grant(fd);
  grant(boot_state.control_fd);
  grant(boot_state.log_fd);
  int used[1 + kMostStreams] = {boot_state.memory_fd};
  for (usize i = 0; i < kMostStreams; ++i) used[1 + i] = i < stream_count ? streams[i] : -1;
  close_others(used);
  warn_unless(host::seal_memory_file(boot_state.memory_fd).ok(), "the memory file has no seals");
  if (!boot_state.is_debuggable) host::forbid_dumps();
  warn_unless(host::drop_capabilities().ok(), "the capabilities are still there");
  if (!host::forbid_new_privileges().ok()) panic("the host knows no no_new_privs");
  const auto landlock = host::restrict_by_landlock();
  if (landlock.ok())
    LOG_INFO("confinement: Landlock, version " << u32(landlock.value()));
  else
    LOG_INFO("confinement: no Landlock: " << landlock.error());
  limit_resources(used);

  int timers[kMostCpus];
  for (u32 cpu = 0; cpu < boot_state.cpus; ++cpu) timers[cpu] = timer_of(cpu);
  const HostObjects objects{.memory = boot_state.memory_fd,
                            .streams = {streams, stream_count},
                            .devices = devices,
                            .timers = {timers, boot_state.cpus},
                            .call_signal = boot_state.cpus > 1 ? kCallSignal : -1};
  const Filter filter(objects);
  const auto instructions = filter.instructions();
  start_maker(instructions.data(), u16(instructions.size()));
  start_writer(instructions.data(), u16(instructions.size()));
  // Such a wait is no call that the filter knows.
  if (boot_state.waits_for_debugger) wait_for_debugger();
  if (!host::install_filter(instructions.data(), u16(instructions.size())).ok())
    panic("the host takes no seccomp filter");
  start_further_cpus();
}

}  // namespace narwhal::process_home
