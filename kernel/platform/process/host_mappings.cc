#include "kernel/platform/process/host_mappings.h"

#include "kernel/base/panic.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/host_process.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/x86/pmap_tables.h"

namespace narwhal {
namespace process_home {
namespace {

// Up to here the host fills its own tables when it maps a run, or each page would fault there a
// second time. In a longer one it does so when a page is used, for which it needs no help of ours,
// and so cheaply that runs are mapped as far as they go.
constexpr u64 kFilledAtOnce = 16;

u32 host_rights(Protection protection) {
  return u32(has(protection, Protection::kRead) ? 1 : 0) |
         u32(has(protection, Protection::kWrite) ? 3 : 0) |
         u32(has(protection, Protection::kExecute) ? 5 : 0);
}

// Calls visit(start, end) for the parts of a range that the program may have: not the window.
template <typename Visit>
void outside_window(u64 start, u64 end, Visit visit) {
  const u64 window = boot_state.window_base;
  if (start < window) visit(start, end < window ? end : window);
  if (end > window_end()) visit(start > window_end() ? start : window_end(), end);
}

void forget(u64 start, u64 end) {
  outside_window(start, end, [](u64 from, u64 to) {
    // It fails only where a mapping would have to be split and the host allows no more of them:
    // then the cache is too full, and all of it goes, which splits nothing.
    if (from < to && !host::unmap(from, to - from).ok()) {
      const u64 window = boot_state.window_base;
      ASSERT(host::unmap(kUserMin.value, window - kUserMin.value).ok());
      ASSERT(host::unmap(window_end(), kUserEnd.value - window_end()).ok());
    }
  });
}

void forget_all() {
  forget(kUserMin.value, kUserEnd.value);
}

// For a host process in which no CPU runs: it forgets when somebody comes.
void forget_later(HostProcess& process, u64 start, u64 end) {
  if (process.all_stale) return;
  for (u32 i = 0; i < process.stale_count; ++i) {
    HostProcess::Range& range = process.stale[i];
    if (start > range.end || end < range.start) continue;
    if (start < range.start) range.start = start;
    if (end > range.end) range.end = end;
    return;
  }
  if (process.stale_count == HostProcess::kMostStale)
    process.all_stale = true;
  else
    process.stale[process.stale_count++] = {start, end};
}

void forget_stale(HostProcess& process) {
  if (process.all_stale)
    forget_all();
  else
    for (u32 i = 0; i < process.stale_count; ++i)
      forget(process.stale[i].start, process.stale[i].end);
  process.all_stale = false;
  process.stale_count = 0;
}

// A run of pages into the cache. The host's limit of mappings (vm.max_map_count) only means that
// the cache is full.
void remember(u64 at, u64 frames, usize pages, Protection protection) {
  if (protection == Protection::kNone) {
    forget(at, at + pages * kPageSize);
    return;
  }
  for (int tries = 0; tries < 2; ++tries) {
    if (host::map_shared(at, pages * kPageSize, host_rights(protection), boot_state.memory_fd,
                         file_offset(frames), pages <= kFilledAtOnce)
            .ok())
      return;
    forget_all();
  }
  panic("the host refuses to map the program's memory");
}

// The entry of an address and its level; 0: none.
u64 find_entry(u64 root, u64 address, u64*& table, unsigned& level, bool& writable) {
  u64 at = root;
  writable = true;
  for (level = 3;; --level) {
    table = x86::table_at(at);
    const u64 entry = table[x86::level_index(address, level)];
    if (!x86::in_use(entry)) return 0;
    if (level == 0 || (entry & x86::kLarge)) return entry;
    if (entry & x86::kLent) writable = false;
    at = entry & x86::kAddressMask;
  }
}

Protection rights_of(u64 entry, bool writable) {
  const Protection protection = x86::protection_of(entry);
  return writable ? protection : protection & ~Protection::kWrite;
}

}  // namespace

bool bring_in(u64 address, Protection access, bool& present) {
  present = false;
  const u64 root = here().root;
  if (root == 0) return false;
  u64* table;
  unsigned level;
  bool writable;
  const u64 entry = find_entry(root, address, table, level, writable);
  if (entry == 0) return false;
  present = true;
  const Protection protection = rights_of(entry, writable);
  const bool allowed =
      access == Protection::kRead ? protection != Protection::kNone : has(protection, access);
  if (!allowed) return false;
  if (level > 0) {
    const u64 size = x86::level_size(level);
    remember(align_down(address, size), entry & x86::kAddressMask, size / kPageSize, protection);
    return true;
  }
  // The run of pages around it whose frames follow one another. All lies in one table.
  const u64 page = align_down(address, kPageSize), frame = entry & x86::kAddressMask;
  const auto follows = [&](u64 at) {
    const u64 other = table[x86::level_index(at, 0)];
    return x86::in_use(other) && rights_of(other, writable) == protection &&
           (other & x86::kAddressMask) == frame + (at - page);
  };
  u64 start = page, end = page + kPageSize;
  const u64 first = align_down(address, kLargePageSize), last = first + kLargePageSize;
  while (start > first && follows(start - kPageSize)) start -= kPageSize;
  while (end < last && follows(end)) end += kPageSize;
  remember(start, frame - (page - start), (end - start) / kPageSize, protection);
  return true;
}

}  // namespace process_home

const unsigned Pmap::kMostRunOrder = 4;

// The host collapses only where it has a page already. Where it does not want to, the run is small
// pages to it, and as good.
void Pmap::prepare_large(PhysAddr run) {
  std::byte* const memory = platform::direct_map(run);
  *reinterpret_cast<volatile std::byte*>(memory) = std::byte{0};
  host::make_huge(reinterpret_cast<u64>(memory), kLargePageSize).ignore();
}

Pmap::KeptRange Pmap::kept() {
  return {process_home::boot_state.window_base, process_home::window_end()};
}

void x86::prepare_root(u64) {}

void x86::use_root(u64 root, u64& tag) {
  using namespace process_home;
  InterruptGuard guard;
  if (here().root != root) go_to(root, tag);
  forget_stale(here());
}

void x86::stop_using_root(u64 root) {
  using namespace process_home;
  HostProcess* const process = process_with(root);
  if (!process) return;
  // Whoever uses it next empties it; until then nobody looks at it.
  process->root = 0;
  process->all_stale = true;
}

void x86::forget_entries(u64 root, u64& tag, u64 address, usize pages) {
  using namespace process_home;
  const u64 end = address + pages * kPageSize;
  InterruptGuard guard;
  if (here().root == root) {
    forget(address, end);
  } else if (HostProcess* const process = process_of(root, tag)) {
    if (is_shared(*process)) {
      // A program may be running there: at once.
      Visit there(*process);
      forget(address, end);
    } else {
      forget_later(*process, address, end);
    }
  }
}

void x86::entries_made(u64 root, u64& tag, u64 address, u64 frames, usize pages,
                       Protection protection, bool replaced) {
  using namespace process_home;
  if (here().root != root) {
    if (replaced) forget_entries(root, tag, address, pages);
    return;
  }
  if (protection == Protection::kNone && !replaced) return;
  outside_window(address, address + pages * kPageSize, [&](u64 from, u64 to) {
    if (from < to) remember(from, frames + (from - address), (to - from) / kPageSize, protection);
  });
}

}  // namespace narwhal
