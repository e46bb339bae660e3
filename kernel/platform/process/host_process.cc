#include "kernel/platform/process/host_process.h"

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/base/panic.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/context.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/cpu.h"
#include "kernel/platform/process/gathering.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/maker.h"
#include "kernel/platform/process/processors.h"
#include "kernel/platform/process/time.h"
#include "kernel/platform/x86/fpu.h"

extern "C" void narwhal_hand_over(narwhal::process_home::Seat& from,
                                  narwhal::process_home::Seat& to);

namespace narwhal::process_home {

// Assembly knows these.
static_assert(offsetof(Seat, turn) == 0 && offsetof(Seat, exit_status) == 4 &&
              offsetof(Seat, stack) == 8 && Seat::kHere == 1);

constinit HostProcess host_processes[kMostHostProcesses];
constinit u32 processes_wanted = 1;
constinit u32 one_was_filtered = 0;
constinit u64 signal_stacks[kMostCpus] = {};

namespace {

// Where the host puts its frames. The handler finds the CPU's block at the beginning: rsp is all
// that it knows when it starts.
struct alignas(kSignalStackSize) SignalStack {
  CpuLocal* cpu;
  u64 process;  // number of the host process
  std::byte bytes[kSignalStackSize - sizeof(CpuLocal*) - sizeof(u64)];
};
using SignalStacks = SignalStack[kMostHostProcesses];
constinit SignalStacks stacks_of_first = {};

SignalStack& stack_of(u32 cpu, usize process) {
  return reinterpret_cast<SignalStack*>(signal_stacks[cpu])[process];
}

// What a CPU carries from one host process to the next.
struct Luggage {
  HostProcess* here = nullptr;
  alignas(64) std::byte fpu[4 * kKiB] = {};
};
constinit Luggage luggage[kMostCpus];

constinit usize made = 1;
constinit usize most = 1;
constinit u64 uses = 0;

Luggage& my_luggage() {
  return luggage[cpu_local().index];
}

void begin_stack(u32 cpu, usize process) {
  stack_of(cpu, process).cpu = &cpu_blocks[cpu];
  stack_of(cpu, process).process = process;
}

// Asks for host processes up to this number; they come while the CPU does other things.
void ask_for(usize count) {
  if (count > most || count <= processes_wanted) return;
  for (usize i = processes_wanted; i < count; ++i)
    for (u32 cpu = 0; cpu < boot_state.cpus; ++cpu) begin_stack(cpu, i);
  __atomic_store_n(&processes_wanted, u32(count), __ATOMIC_SEQ_CST);
  host::wake(processes_wanted);
}

// One that nobody used yet, or null.
HostProcess* make_one() {
  if (made == most) return nullptr;
  // And one more, for the program that fork's child is about to start.
  ask_for(made + 1);
  HostProcess& next = host_processes[made];
  u32 state;
  while ((state = __atomic_load_n(&next.state, __ATOMIC_SEQ_CST)) == HostProcess::kNone)
    host::wait(next.state, HostProcess::kNone);
  if (state == HostProcess::kFailed) {
    most = made;
    return nullptr;
  }
  ++made;
  ask_for(made + 1);
  return &next;
}

// Where another CPU runs a program, nothing else can: so there are at least as many as CPUs.
HostProcess& choose() {
  HostProcess* const mine = my_luggage().here;
  if (mine->root == 0) return *mine;
  HostProcess* oldest = nullptr;
  for (usize i = 0; i < made; ++i) {
    HostProcess& process = host_processes[i];
    if (process.root == 0) return process;
    if (&process != mine && !is_shared(process) &&
        (!oldest || process.last_used < oldest->last_used))
      oldest = &process;
  }
  if (HostProcess* fresh = make_one()) return *fresh;
  HostProcess& chosen = oldest ? *oldest : *mine;
  chosen.all_stale = true;
  return chosen;
}

void move_to(HostProcess& process) {
  Luggage& carried = my_luggage();
  const u32 cpu = cpu_local().index;
  Seat& from = carried.here->seats[cpu];
  Seat& to = process.seats[cpu];
  // The program's vector registers and FS base stay in the processor while the kernel runs.
  x86::fpu_save_for_switch(carried.fpu);
  u64 fs_base;
  asm volatile("rdfsbase %0" : "=r"(fs_base));
  const u64 began = begin_hand_over();
  carried.here = &process;
  narwhal_hand_over(from, to);
  show_time_stamp();
  end_hand_over(began);
  asm volatile("wrfsbase %0" ::"r"(fs_base));
  platform::fpu_load(carried.fpu);
  rearm_timer();
}

// `hostprocesses=N` among the settings: fewer of them, for tests.
usize most_wanted() {
  constexpr std::string_view kSetting = "hostprocesses=";
  std::string_view rest = platform::command_line();
  const usize at = rest.find(kSetting);
  if (at == rest.npos) return kMostHostProcesses;
  usize number = 0;
  for (rest.remove_prefix(at + kSetting.size());
       !rest.empty() && rest[0] >= '0' && rest[0] <= '9' && number < kMostHostProcesses;
       rest.remove_prefix(1))
    number = number * 10 + usize(rest[0] - '0');
  return number < kMostHostProcesses ? number : kMostHostProcesses;
}

HostProcess& owner_of(u64 signal_stack) {
  return host_processes[reinterpret_cast<const SignalStack*>(signal_stack)->process];
}

// The signal stacks of the further CPUs, of which most are never touched.
void make_signal_stacks() {
  for (u32 cpu = 1; cpu < boot_state.cpus; ++cpu) {
    unsigned order = 0;
    while (kPageSize << order < sizeof(SignalStacks)) ++order;
    const auto frames = allocate_frames(order, FrameContent::kAny);
    if (!frames.ok()) panic("--cpus: each processor needs some more memory");
    signal_stacks[cpu] = reinterpret_cast<u64>(platform::direct_map(frames.value()));
  }
}

// What each CPU can be in at the same time.
void require_processes(usize count) {
  ask_for(count);
  while (made < count)
    if (!make_one()) panic("--cpus: the host gives too few processes");
}

}  // namespace

HostProcess& where(u32 cpu) {
  return *luggage[cpu].here;
}
HostProcess& here() {
  return *my_luggage().here;
}

bool is_shared(const HostProcess& process) {
  for (u32 cpu = 0; cpu < running_cpus(); ++cpu)
    if (luggage[cpu].here == &process && cpu != cpu_local().index) return true;
  return false;
}

bool in_first() {
  return &here() == &host_processes[0];
}

Seat& seat() {
  return here().seats[cpu_local().index];
}

void show_time_stamp() {
  if (!seat().hides_time_stamp) [[likely]]
    return;
  seat().hides_time_stamp = false;
  host::hide_time_stamp(false);
}

HostProcess* process_of(u64 root, u64 hint) {
  if (hint >= kMostHostProcesses) return nullptr;
  HostProcess& process = host_processes[hint];
  return process.root == root ? &process : nullptr;
}

HostProcess* process_with(u64 root) {
  for (usize i = 0; i < made; ++i)
    if (host_processes[i].root == root) return &host_processes[i];
  return nullptr;
}

void go_to(u64 root, u64& hint) {
  HostProcess* process = process_of(root, hint);
  if (!process) {
    process = &choose();
    process->root = root;
    process->start_is_forgotten = false;
    hint = u64(process - host_processes);
  }
  process->last_used = ++uses;
  if (process != my_luggage().here) move_to(*process);
}

Visit::Visit(HostProcess& process) : from_(here()) {
  move_to(process);
}
Visit::~Visit() {
  move_to(from_);
}

bool is_here(u64 signal_stack) {
  return &owner_of(signal_stack) == my_luggage().here;
}

void timer_fired(u64 signal_stack) {
  owner_of(signal_stack).seats[cpu_local().index].armed = platform::kNoDeadline;
}

void host_processes_init() {
  signal_stacks[0] = reinterpret_cast<u64>(stacks_of_first);
  begin_stack(0, 0);
  for (Luggage& carried : luggage) carried.here = &host_processes[0];
  HostProcess& first = host_processes[0];
  first.state = HostProcess::kReady;
  first.seats[0].process = host::process_id();
  first.seats[0].thread = host::thread_id();
  if (!host::set_signal_stack({&stack_of(0, 0), 0, kSignalStackSize}).ok())
    panic("the host takes no signal stack");
}

void start_maker(const void* filter, u16 count) {
  ASSERT(platform::fpu_area_size() <= sizeof Luggage::fpu);
  usize wanted = most_wanted();
  const u32 cpus = boot_state.cpus;
  make_signal_stacks();
  for (u32 cpu = 1; cpu < cpus; ++cpu) begin_stack(cpu, 0);
  if (wanted < cpus) wanted = cpus;
  if (wanted > 1 && make_maker(filter, count)) most = wanted;
  gathering_init();
  if (cpus > 1) require_processes(cpus);
}

usize host_process_count() {
  return made;
}

void end_all(u8 status) {
  if (in_first()) host::exit(status);
  Seat& first = host_processes[0].seats[cpu_local().index];
  first.exit_status = status;
  __atomic_store_n(&first.turn, Seat::kExit, __ATOMIC_SEQ_CST);
  host::wake(first.turn);
  for (;;) host::wait(seat().turn, Seat::kAway);
}

}  // namespace narwhal::process_home
