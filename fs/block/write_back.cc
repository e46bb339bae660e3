#include "fs/block/write_back.h"

#include "fs/block/disk.h"
#include "kernel/base/log.h"
#include "kernel/mm/reclaim.h"
#include "kernel/sched/thread.h"

namespace narwhal {
namespace {

// As Linux's dirty_writeback_centisecs; nothing stays changed for longer than twice that.
constexpr u64 kInterval = 5 * kNanosPerSecond;
// How often the cache makes way for what else takes memory, while there is a cache.
constexpr u64 kTrimInterval = kNanosPerSecond;
// Of the memory: changed pages beyond this share are written by who changes more, and memory that
// is kept free of the cache.
constexpr u64 kMostChanged = 8, kKeptFree = 16;

[[clang::no_destroy]] constinit WaitQueue wanted;
constinit Atomic<bool> is_wanted{false};  // at once

u64 cached_pages() {
  u64 pages = 0;
  Disk::for_each([&](Disk& disk) { pages += disk.pages().page_count(); });
  return pages;
}

u64 changed_pages() {
  u64 pages = 0;
  Disk::for_each([&](Disk& disk) { pages += disk.pages().changed_count(); });
  return pages;
}

u64 drop_pages(u64 frames) {
  u64 dropped = 0;
  Disk::for_each([&](Disk& disk) {
    if (dropped < frames) dropped += disk.pages().drop(frames - dropped);
  });
  return dropped;
}

void write_all() {
  Disk::for_each([](Disk& disk) {
    if (disk.pages().changed_count() == 0) return;
    if (auto done = disk.pages().write_back(); !done.ok())
      LOG_ERROR("disk " << disk.name() << ": changes could not be written: " << done.error());
  });
}

void trim() {
  const MemoryStatistics memory = memory_statistics();
  const u64 kept = memory.total_frames / kKeptFree;
  if (memory.free_frames < kept) drop_pages(kept - memory.free_frames);
}

void sleep_until_wanted(u64 deadline_ns) {
  ScopedWait wait(wanted, PollEvents::kAll);
  prepare_to_sleep();
  // Where no time is set yet, the first change sets one.
  if (is_wanted.load() || (deadline_ns == platform::kNoDeadline && changed_pages() != 0)) {
    cancel_sleep();
    return;
  }
  sleep_until(deadline_ns, Interruptible::kNo).ignore();
}

void run(void*) {
  u64 next_write = platform::kNoDeadline;
  for (;;) {
    const u64 now = platform::monotonic_ns();
    if (next_write == platform::kNoDeadline && changed_pages() != 0) next_write = now + kInterval;
    u64 deadline = next_write;
    if (cached_pages() != 0 && now + kTrimInterval < deadline) deadline = now + kTrimInterval;
    sleep_until_wanted(deadline);
    trim();
    if (is_wanted.exchange(false) || platform::monotonic_ns() >= next_write) {
      write_all();
      next_write = platform::kNoDeadline;
      Disk::for_each([](Disk& disk) {
        // As Linux: the next opener sees what the device has by then.
        if (disk.openers() == 0) disk.pages().drop(~u64{0});
      });
    }
  }
}

// What programs have mapped goes, too; they fault it in again.
bool write_for_memory() {
  if (cached_pages() == 0) return false;
  write_all();
  Disk::for_each([](Disk& disk) { disk.pages().unmap(); });
  return drop_pages(memory_statistics().total_frames / kKeptFree) != 0;
}

constinit Reclaimer reclaimer{drop_pages, write_for_memory, cached_pages, changed_pages};

}  // namespace

void start_write_back() {
  register_reclaimer(reclaimer);
  if (auto started = start_kernel_thread("writeback", run, nullptr); !started.ok())
    LOG_ERROR("no thread writes changes back to disks: " << started.error());
}

void write_back_soon() {
  wanted.wake_all();
}

void write_back_now() {
  is_wanted.store(true);
  wanted.wake_all();
}

void sync_all_disks() {
  write_all();
  Disk::for_each([](Disk& disk) {
    if (disk.read_only()) return;
    if (auto done = disk.queue().flush(); !done.ok())
      LOG_ERROR("disk " << disk.name() << ": its cache could not be flushed: " << done.error());
  });
}

void limit_changed_pages(DiskPages& pages) {
  if (pages.changed_count() > memory_statistics().total_frames / kMostChanged)
    pages.write_back().ignore();
}

}  // namespace narwhal
