// Starting the CPUs that the firmware left asleep (Intel SDM vol. 3, section 9.4).
#include <cstring>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/base/log.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/upcalls.h"
#include "kernel/platform/vm/acpi.h"
#include "kernel/platform/vm/apic.h"
#include "kernel/platform/vm/cpu.h"
#include "kernel/platform/vm/page_tables.h"
#include "kernel/platform/vm/processor_tables.h"
#include "kernel/platform/vm/processors_state.h"
#include "kernel/platform/vm/time.h"
#include "kernel/platform/vm/window.h"
#include "kernel/platform/x86/fpu.h"

extern "C" {
extern const std::byte narwhal_trampoline[], narwhal_trampoline_data[], narwhal_trampoline_end[];
[[noreturn]] void narwhal_processor_entry(void* start);
}

namespace narwhal {
namespace vm {
namespace {

constexpr usize kBootStackSize = 16 * kKiB;
constexpr u64 kPatience = 200 * kNanosPerMilli;
constexpr u64 kFirstPatience = kNanosPerMilli;

struct TrampolineData {
  u64 root;
  u64 entry;
  u64 stack;
  u64 argument;
};

// A CPU on its way. What it does is counted from one side and the other in turn.
struct Start {
  enum Phase : u32 { kAsleep, kGivenUp, kArrived, kReady };
  CpuState* cpu = nullptr;
  Atomic<u32> phase{kAsleep};
  // For comparing time-stamp counters: each side writes its own as soon as it sees the other's.
  Atomic<u64> theirs{0};
  Atomic<u64> ours{0};
};
constinit Start starts[kMaxProcessors] = {};

// --- which there are

void find_mp_processors(ProcessorList& list) {
  // Where the specification lets the pointer lie; firmware of virtual machines uses all three.
  constexpr struct {
    u64 start;
    usize size;
  } kAreas[] = {{0x9fc00, kKiB}, {0xf0000, 64 * kKiB}, {0x80000 - kKiB, kKiB}};
  for (const auto& area : kAreas) {
    auto mapped = platform::map_device(PhysAddr(area.start), area.size);
    if (!mapped.ok()) return;
    const u32 address = find_mp_table({mapped.value(), area.size});
    if (address == 0) continue;
    auto header = platform::map_device(PhysAddr(address), 44);
    if (!header.ok()) return;
    const usize size = mp_table_size({header.value(), 44});
    auto table = platform::map_device(PhysAddr(address), size);
    if (size == 0 || !table.ok()) return;
    add_mp_processors({table.value(), size}, list);
    return;
  }
}

void find_processors(ProcessorList& list) {
  add_acpi_processors(acpi_table("APIC"), list);
  if (list.ids().empty()) find_mp_processors(list);
}

// --- the page that they begin in

// A page of the memory below 1 MiB, borrowed: what it held comes back in the end. It is not one
// that holds what the loader told us, since that is read again when the machine ends.
constexpr u64 kPage = 0x8000, kOtherPage = 0x9000;

class Trampoline : NonCopyable {
 public:
  // ENOMEM.
  Result<> set_up() {
    page_ = PhysAddr(boot_state.start_info).page().value == kPage ? kOtherPage : kPage;
    saved_ = TRY(allocate_frames(0, FrameContent::kAny));
    std::memcpy(platform::direct_map(saved_), bytes(), kPageSize);
    std::memcpy(bytes(), narwhal_trampoline, usize(narwhal_trampoline_end - narwhal_trampoline));
    // The kernel's tables, and the first 2 MiB at their own addresses besides.
    for (u64& table : tables_) table = TRY(allocate_frames(0, FrameContent::kZeroed)).value;
    if (tables_[0] > 0xffff'ffff) return Errno::kNoMem;  // CR3 is loaded in 32-bit code
    prepare();
    return {};
  }
  ~Trampoline() {
    if (saved_.value == 0) return;
    std::memcpy(bytes(), platform::direct_map(saved_), kPageSize);
    free_frames(saved_, 0);
    for (const u64 table : tables_)
      if (table != 0) free_frames(PhysAddr(table), 0);
  }

  void aim(u64 stack, Start& start) {
    const TrampolineData data{tables_[0], reinterpret_cast<u64>(&narwhal_processor_entry), stack,
                              reinterpret_cast<u64>(&start)};
    std::memcpy(bytes() + (narwhal_trampoline_data - narwhal_trampoline), &data, sizeof data);
  }
  u8 page() const { return u8(page_ >> kPageShift); }

 private:
  std::byte* bytes() const { return platform::direct_map(PhysAddr(page_)); }
  void prepare() {
    x86::prepare_root(tables_[0]);
    table_at(tables_[0])[0] = tables_[1] | x86::kPresent | x86::kWritable;
    table_at(tables_[1])[0] = tables_[2] | x86::kPresent | x86::kWritable;
    table_at(tables_[2])[0] = x86::kPresent | x86::kWritable | x86::kLarge;
  }

  u64 page_ = 0;
  PhysAddr saved_{0};
  u64 tables_[3] = {};
};

// --- time-stamp counters

// All CPUs tell the time by their counters, so these must not differ: each side reads its own after
// it saw what the other read before, and must read more.
constexpr u32 kRounds = 64;

bool counters_agree(Start& start) {
  bool agree = true;
  u64 last = 0;
  for (u32 round = 0; round < kRounds; ++round) {
    u64 theirs;
    while ((theirs = start.theirs.load(Order::kAcquire)) == last) __builtin_ia32_pause();
    last = theirs;
    const u64 mine = x86::read_tsc_ordered();
    agree &= mine >= theirs;
    start.ours.store(mine, Order::kRelease);
  }
  // The answer to the last one, with its verdict on ours.
  u64 theirs;
  while ((theirs = start.theirs.load(Order::kAcquire)) == last) __builtin_ia32_pause();
  return agree && theirs != ~u64{0};
}

void take_part_in_comparison(Start& start) {
  bool agree = true;
  u64 last = 0;
  for (u32 round = 0; round < kRounds; ++round) {
    start.theirs.store(x86::read_tsc_ordered(), Order::kRelease);
    u64 ours;
    while ((ours = start.ours.load(Order::kAcquire)) == last) __builtin_ia32_pause();
    last = ours;
    agree &= x86::read_tsc_ordered() >= ours;
  }
  start.theirs.store(agree ? x86::read_tsc_ordered() : ~u64{0}, Order::kRelease);
}

// --- one of them

bool wait_for_arrival(Start& start, u64 patience) {
  const u64 deadline = platform::monotonic_ns() + patience;
  while (start.phase.load(Order::kAcquire) != Start::kArrived) {
    if (platform::monotonic_ns() > deadline) return false;
    __builtin_ia32_pause();
  }
  return true;
}

Result<> start_processor(Trampoline& trampoline, u32 apic_id) {
  const u32 index = processor_count;
  Start& start = starts[index];
  processors[index].apic_id = apic_id;
  processors[index].root = boot_state.root_table;
  start.cpu = TRY(new_cpu_state(index));
  std::byte* const stack = TRY(platform::allocate_kernel_stack(kBootStackSize));
  trampoline.aim(reinterpret_cast<u64>(stack + kBootStackSize), start);
  apic_send_init(apic_id);
  apic_send_start(apic_id, trampoline.page());
  // Some need to be told twice.
  if (!wait_for_arrival(start, kFirstPatience)) {
    apic_send_start(apic_id, trampoline.page());
    wait_for_arrival(start, kPatience);
  }
  u32 phase = Start::kAsleep;
  if (start.phase.compare_exchange(phase, Start::kGivenUp)) return Errno::kTimedOut;
  if (!counters_agree(start)) {
    LOG_WARN("processor " << index
                          << " stays idle: its time-stamp counter is not that of the first");
    start.phase.store(Start::kGivenUp, Order::kRelease);
    return Errno::kNoDev;
  }
  ++processor_count;
  start.phase.store(Start::kReady, Order::kRelease);
  return {};
}

[[noreturn]] void stay_idle() {
  for (;;) asm volatile("cli\nhlt");
}

}  // namespace
}  // namespace vm

void platform::start_cpus() {
  using namespace vm;
  ProcessorList list;
  find_processors(list);
  const u32 mine = apic_id();
  processors[0].apic_id = mine;
  processors[0].root = boot_state.root_table;
  if (list.ids().size() <= 1) return;
  Trampoline trampoline;
  if (!trampoline.set_up().ok()) return;
  InterruptGuard no_interrupts;
  narwhal_many_cpus = true;
  kernel_lock_take();
  use_syscall_entry();
  for (const u32 id : list.ids()) {
    if (id == mine) continue;
    if (auto started = start_processor(trampoline, id); !started.ok()) {
      LOG_WARN("a processor could not be started: " << started.error());
      return;
    }
  }
}

}  // namespace narwhal

extern "C" void narwhal_processor_entry(void* argument) {
  using namespace narwhal;
  using namespace narwhal::vm;
  auto& start = *static_cast<Start*>(argument);
  u32 phase = Start::kAsleep;
  if (!start.phase.compare_exchange(phase, Start::kArrived)) stay_idle();
  x86::write_cr3(boot_state.root_table);
  cpu_init_further(*start.cpu);
  if (const u64 components = x86::fpu_wanted_components(); components != 0)
    x86::write_xcr0(components);
  apic_init_further_cpu();
  time_init_further_cpu();
  take_part_in_comparison(start);
  while ((phase = start.phase.load(Order::kAcquire)) == Start::kArrived) __builtin_ia32_pause();
  if (phase != Start::kReady) stay_idle();
  kernel_lock_take();
  upcall::on_cpu_started();
}
