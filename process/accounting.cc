#include "process/accounting.h"

#include <cstring>

#include "kernel/sched/clock.h"
#include "process/family.h"

namespace narwhal::accounting {
namespace {

struct Record {  // struct acct_v3
  u8 flags;
  u8 version;
  u16 terminal;
  u32 wait_status;
  u32 uid, gid, pid, parent_pid;
  u32 start;    // wall clock, seconds
  u32 elapsed;  // ticks, as a float
  u16 user, system;
  u16 memory;  // KiB
  u16 io, blocks;
  u16 minor_faults, major_faults, swaps;
  char name[16];
};
static_assert(sizeof(Record) == 64);

constexpr u8 kNotExecuted = 1, kDumped = 8, kKilled = 16;  // AFORK, ACORE, AXSIG
constexpr u8 kVersion = 3;
constexpr u64 kTickNs = kNanosPerSecond / 100;  // AHZ

constinit SpinLock<LockRank::kSpinOther> file_lock;
[[clang::no_destroy]] constinit Ref<File> file TA_GUARDED_BY(file_lock);
constinit Atomic<bool> on{false};

// comp_t: 13 bits of a number and 3 of how often it was divided by eight.
u16 compress(u64 value) {
  constexpr u32 kBits = 13, kStep = 3;
  constexpr u64 kMost = (1 << kBits) - 1, kMostExponent = 7;
  u32 exponent = 0;
  bool round_up = false;
  while (value > kMost) {
    round_up = value >> (kStep - 1) & 1;
    value >>= kStep;
    ++exponent;
  }
  if (round_up && ++value > kMost) {
    value >>= kStep;
    ++exponent;
  }
  return exponent > kMostExponent ? u16(0xffff) : u16(exponent << kBits | value);
}

// The bits of a float, without arithmetic that the kernel does not do.
u32 float_bits(u64 value) {
  if (value == 0) return 0;
  constexpr u32 kBias = 127, kMantissaBits = 23;
  const u32 high = 63 - u32(__builtin_clzll(value));
  const u64 aligned = value << (63 - high);  // the first bit on top, which is not written
  return (kBias + high) << kMantissaBits | (u32(aligned >> 40) & 0x7f'ffff);
}

u8 flags_of(const Process& process, i32 wait_status) {
  constexpr i32 kSignalMask = 0x7f, kCore = 0x80;
  u8 flags = 0;
  if (!Family::executed(process)) flags |= kNotExecuted;
  if (wait_status & kSignalMask) flags |= kKilled;
  if (wait_status & kCore) flags |= kDumped;
  return flags;
}

}  // namespace

void set_file(FileRef fresh) {
  on.store(bool(fresh));
  SpinGuard guard(file_lock);
  std::swap(file, fresh);
  // What was there goes when the caller's reference does, after the lock.
}

bool is_on() {
  return on.load(Order::kRelaxed);
}

void write(Task& task, const End& end) {
  FileRef to;
  {
    SpinGuard guard(file_lock);
    to = file;
  }
  if (!to) return;
  const Process& process = task.process();
  const ResourceUsage usage = process.usage();
  const u64 elapsed_ns = platform::monotonic_ns() - process.start_time_ns();
  Record record{};
  record.flags = flags_of(process, end.wait_status);
  record.version = kVersion;
  record.wait_status = u32(end.wait_status);
  record.uid = task.credentials().uid;
  record.gid = task.credentials().gid;
  record.pid = process.pid();
  record.parent_pid = process.parent_pid();
  record.start = u32((wall_clock_ns() - i64(elapsed_ns)) / i64(kNanosPerSecond));
  record.elapsed = float_bits(elapsed_ns / kTickNs);
  record.user = compress(usage.user_ns / kTickNs);
  record.system = compress(usage.system_ns / kTickNs);
  record.memory = compress(end.memory_pages * (kPageSize / kKiB));
  record.minor_faults = compress(usage.minor_faults);
  const std::string_view name = task.name();
  std::memcpy(record.name, name.data(), name.size() < 16 ? name.size() : 15);
  IoBuffer buffer(std::as_bytes(std::span<const Record>(&record, 1)));
  to->write(buffer).ignore();
}

}  // namespace narwhal::accounting
