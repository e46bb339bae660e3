#include "kernel/platform/process/maker.h"

#include <cstring>

#include "kernel/platform/machine.h"
#include "kernel/platform/process/clone.h"
#include "kernel/platform/process/cpu.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/process/signals.h"
#include "kernel/platform/process/time.h"

// Hidden: their addresses are computed, not read from a table that is shared memory.
#pragma GCC visibility push(hidden)
extern "C" {
extern const char kernel_text_start[], kernel_text_end[];
void narwhal_signal_return();
[[noreturn]] void narwhal_take_seat(narwhal::process_home::Seat& seat, void* start,
                                    narwhal::u64 size, narwhal::u32& users);
}
#pragma GCC visibility pop

namespace narwhal::process_home {
namespace {

constexpr u64 kPrivateSize = 64 * kKiB;
constexpr u64 kThreadSize = 8 * kKiB;  // behind that, for each further CPU
constexpr usize kFilterSize = 8 * kKiB;

// At the beginning of the maker's private memory; the rest is its stack.
struct Orders {
  int parent;  // process id of the first host process
  u32 cpus;
  u64 signal_stacks[kMostCpus];
  // Of each host process' own copy:
  u32 ready;  // futex word: how many of its further threads are
  u32 users;  // threads that need this memory still; the last gives it back
  bool confined;
  bool numbered;  // threads have their CPU's number
  u16 filter_count;
  host::SignalAction when_child_ends;
  alignas(8) std::byte filter[kFilterSize];

  u64 size() const { return kPrivateSize + (cpus - 1) * kThreadSize; }
};

// At the beginning of a further thread's piece of it; the rest is its stack.
struct ThreadOrders {
  Orders* orders;
  usize process;
  u32 cpu;
};

// Here and below: runs in the maker, or in what it made. No global variable is read but the number
// that is wanted, nothing is called that reads one, and no constant is used that holds an address:
// such constants are relocated, and lie in shared memory.

void require(bool fine) {
  if (!fine) host::exit(1);  // ends the maker, and so all
}

// What each host thread has to set for itself.
void prepare_thread(const Orders& orders, usize process, u32 cpu) {
  void* const stack =
      reinterpret_cast<void*>(orders.signal_stacks[cpu] + process * kSignalStackSize);
  require(host::set_signal_stack({stack, 0, kSignalStackSize}).ok());
  require(host::dispatch_system_calls(reinterpret_cast<u64>(kernel_text_start),
                                      u64(kernel_text_end - kernel_text_start))
              .ok());
  asm volatile("wrgsbase %0" ::"r"(&cpu_blocks[cpu]) : "memory");
  if (orders.numbered) require(host::number_thread(cpu));
  host::unblock_all_signals();
  if (orders.confined) require(host::install_filter(orders.filter, orders.filter_count).ok());
}

[[noreturn]] void be_further_thread(void* argument) {
  const ThreadOrders& mine = *static_cast<const ThreadOrders*>(argument);
  Orders& orders = *mine.orders;
  prepare_thread(orders, mine.process, mine.cpu);
  __atomic_fetch_add(&orders.ready, 1, __ATOMIC_SEQ_CST);
  host::wake(orders.ready);
  narwhal_take_seat(host_processes[mine.process].seats[mine.cpu], &orders, orders.size(),
                    orders.users);
}

// The threads of this host process for all CPUs but the first, confined and waiting. Signals are
// blocked. False: the host gives no more of them.
bool make_threads(Orders& orders, usize process) {
  const u64 pieces = reinterpret_cast<u64>(&orders) + kPrivateSize;
  const int process_id = host::process_id();
  for (u32 cpu = 1; cpu < orders.cpus; ++cpu) {
    const u64 piece = pieces + (cpu - 1) * kThreadSize;
    auto& thread_orders = *reinterpret_cast<ThreadOrders*>(piece);
    thread_orders = {&orders, process, cpu};
    const i64 thread = narwhal_clone_at(kHostThread, reinterpret_cast<void*>(piece + kThreadSize),
                                        be_further_thread, &thread_orders);
    if (thread <= 0) return false;
    const auto timer = host::make_timer(kTimerSignal, int(thread));
    require(timer.ok() && timer.value() == timer_of(cpu));
    Seat& seat = host_processes[process].seats[cpu];
    seat.armed = platform::kNoDeadline;
    seat.process = process_id;
    seat.thread = int(thread);
  }
  u32 ready;
  while ((ready = __atomic_load_n(&orders.ready, __ATOMIC_SEQ_CST)) + 1 < orders.cpus)
    host::wait(orders.ready, ready);
  return true;
}

void tell_state(HostProcess& process, HostProcess::State state) {
  __atomic_store_n(&process.state, state, __ATOMIC_SEQ_CST);
  host::wake(process.state);
}

// What another host process needs for itself: all else is inherited.
[[noreturn]] void become_host_process(Orders& orders, usize index, int maker) {
  require(host::die_with_parent(maker).ok());
  host::set_process_name("narwhal:space");
  // It has no children. Sent by somebody, the signal must not find the maker's handler, whose call
  // the filter forbids here.
  require(host::set_action(host::kChildEnded, {}).ok());
  HostProcess& process = host_processes[index];
  const auto timer = host::make_timer(kTimerSignal, host::thread_id());
  require(timer.ok() && timer.value() == timer_of(0));
  process.seats[0].armed = platform::kNoDeadline;
  process.seats[0].process = host::process_id();
  process.seats[0].thread = host::thread_id();
  const bool complete = make_threads(orders, index);
  prepare_thread(orders, index, 0);
  tell_state(process, complete ? HostProcess::kReady : HostProcess::kFailed);
  if (!complete)
    for (u32 never = 0;;) host::wait(never, 0);
  narwhal_take_seat(process.seats[0], &orders, orders.size(), orders.users);
}

// Once one of them is gone, all must go; the first has to know when the filter ended it. Somebody
// may have sent us the signal, too.
void look_for_ended(int, void*, void*) {
  i32 status;
  if (!host::take_ended_child(status)) return;
  if ((status & 0x7f) == kSigSys) __atomic_store_n(&one_was_filtered, 1, __ATOMIC_SEQ_CST);
  host::exit(1);
}

// Makes as many as are wanted, which is the one number that it takes from the others.
[[noreturn]] void make_processes(void* private_memory) {
  Orders& orders = *static_cast<Orders*>(private_memory);
  if (!host::die_with_parent(orders.parent).ok()) host::exit(1);
  host::set_process_name("narwhal:maker");
  // Its handler runs on the private stack; other signals stay blocked.
  if (!host::set_action(host::kChildEnded, orders.when_child_ends).ok()) host::exit(1);
  host::block_all_signals_but(host::kChildEnded);
  const int maker = host::process_id();
  for (u32 count = 1; count < kMostHostProcesses;) {
    const u32 wanted = __atomic_load_n(&processes_wanted, __ATOMIC_SEQ_CST);
    if (wanted <= count) {
      host::wait(processes_wanted, wanted);
      continue;
    }
    const i64 child = host::fork();
    if (child == 0) become_host_process(orders, count, maker);
    HostProcess& process = host_processes[count++];
    if (child > 0) continue;
    tell_state(process, HostProcess::kFailed);
    break;
  }
  for (u32 never = 0;;) host::wait(never, 0);
}

}  // namespace

bool make_maker(const void* filter, u16 count) {
  const u64 at = boot_state.window_base + kMakerOffset;
  const u64 size = kPrivateSize + (boot_state.cpus - 1) * kThreadSize;
  if (count * u64{8} > kFilterSize || !host::map_anonymous(at, size).ok()) return false;
  auto& orders = *reinterpret_cast<Orders*>(at);
  orders.parent = host::process_id();
  orders.cpus = orders.users = boot_state.cpus;
  for (u32 cpu = 0; cpu < orders.cpus; ++cpu) orders.signal_stacks[cpu] = signal_stacks[cpu];
  constexpr u64 kRestorer = 0x04000000;
  orders.when_child_ends = {look_for_ended, kRestorer, narwhal_signal_return, 0};
  orders.confined = filter != nullptr;
  // Of one CPU nobody asks which it is.
  orders.numbered = orders.cpus > 1 && host::number_thread(0);
  orders.filter_count = count;
  if (filter) std::memcpy(orders.filter, filter, count * usize{8});
  // A signal for all of our group must not find the maker with our signal stack.
  host::block_all_signals();
  const i64 maker = narwhal_clone_at(
      u64(host::kChildEnded), reinterpret_cast<void*>(at + kPrivateSize), make_processes, &orders);
  // From here on it has a copy, and ours is of use for our own threads only.
  const bool complete = maker > 0 && make_threads(orders, 0);
  host::unblock_all_signals();
  if (__atomic_sub_fetch(&orders.users, 1, __ATOMIC_SEQ_CST) == 0) host::unmap(at, size).ignore();
  return complete;
}

}  // namespace narwhal::process_home
