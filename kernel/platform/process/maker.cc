#include "kernel/platform/process/maker.h"

#include <cstring>

#include "kernel/platform/process/host.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/process/signals.h"
#include "kernel/platform/process/time.h"

// Hidden: their addresses are computed, not read from a table that is shared memory.
#pragma GCC visibility push(hidden)
extern "C" {
extern const char kernel_text_start[], kernel_text_end[];
narwhal::i64 narwhal_clone_at(narwhal::u64 flags, void* stack, void (*function)(void*),
                              void* argument);
void narwhal_signal_return();
[[noreturn]] void narwhal_take_seat(narwhal::process_home::Seat& seat, void* start,
                                    narwhal::u64 size);
}
#pragma GCC visibility pop

namespace narwhal::process_home {
namespace {

constexpr u64 kPrivateSize = 64 * kKiB;
constexpr usize kFilterSize = 8 * kKiB;

// At the beginning of the maker's private memory; the rest is its stack.
struct Orders {
  int parent;  // process id of the first host process
  u16 filter_count;
  int timer;  // what the filter lets set
  bool confined;
  host::SignalAction when_child_ends;
  alignas(8) std::byte filter[kFilterSize];
};

// Here and below: runs in the maker, or in what it made. No global variable is read but the number
// that is wanted, nothing is called that reads one, and no constant is used that holds an address:
// such constants are relocated, and lie in shared memory.

// What another host process needs for itself: all else is inherited.
[[noreturn]] void become_host_process(const Orders& orders, usize index, int maker) {
  const auto require = [](bool fine) {
    if (!fine) host::exit(1);  // ends the maker, and so all
  };
  require(host::die_with_parent(maker).ok());
  host::set_process_name("narwhal:space");
  require(host::set_signal_stack({signal_stack_of(index, 0), 0, kSignalStackSize}).ok());
  const auto timer = host::make_timer(kTimerSignal);
  require(timer.ok() && timer.value() == orders.timer);
  require(host::dispatch_system_calls(reinterpret_cast<u64>(kernel_text_start),
                                      u64(kernel_text_end - kernel_text_start))
              .ok());
  host::unblock_all_signals();
  if (orders.confined) require(host::install_filter(orders.filter, orders.filter_count).ok());
  HostProcess& process = host_processes[index];
  process.seats[0].timer = timer.value();
  __atomic_store_n(&process.state, HostProcess::kReady, __ATOMIC_SEQ_CST);
  host::wake(process.state);
  narwhal_take_seat(process.seats[0], const_cast<Orders*>(&orders), kPrivateSize);
}

// Once one of them is gone, all must go; the first has to know when the filter ended it. Somebody
// may have sent us the signal, too.
void look_for_ended(int, void*, void*) {
  i32 status;
  if (host::take_ended_child(status)) host::exit((status & 0x7f) == kSigSys ? kFilterStatus : 1);
}

// Makes as many as are wanted, which is the one number that it takes from the others.
[[noreturn]] void make_processes(void* private_memory) {
  const Orders& orders = *static_cast<const Orders*>(private_memory);
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
    __atomic_store_n(&process.state, HostProcess::kFailed, __ATOMIC_SEQ_CST);
    host::wake(process.state);
    break;
  }
  for (u32 never = 0;;) host::wait(never, 0);
}

}  // namespace

bool make_maker(const void* filter, u16 count) {
  const u64 at = boot_state.window_base + kMakerOffset;
  if (count * u64{8} > kFilterSize || !host::map_anonymous(at, kPrivateSize).ok()) return false;
  auto& orders = *reinterpret_cast<Orders*>(at);
  orders.parent = host::process_id();
  orders.timer = seat().timer;
  constexpr u64 kRestorer = 0x04000000;
  orders.when_child_ends = {look_for_ended, kRestorer, narwhal_signal_return, 0};
  orders.confined = filter != nullptr;
  orders.filter_count = count;
  if (filter) std::memcpy(orders.filter, filter, count * usize{8});
  // A signal for all of our group must not find the maker with our signal stack.
  host::block_all_signals();
  const i64 maker = narwhal_clone_at(
      u64(host::kChildEnded), reinterpret_cast<void*>(at + kPrivateSize), make_processes, &orders);
  host::unblock_all_signals();
  // From here on it has a copy, and ours is of no use.
  host::unmap(at, kPrivateSize).ignore();
  return maker > 0;
}

}  // namespace narwhal::process_home
