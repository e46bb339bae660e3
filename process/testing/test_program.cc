#include "process/testing/test_program.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <vector>

#include "kernel/mm/frame.h"
#include "kernel/platform/fake/fake_machine.h"
#include "kernel/platform/upcalls.h"
#include "process/exit.h"
#include "process/family.h"
#include "process/task_builder.h"

namespace narwhal::test_program {

namespace {

constexpr u64 kClone = 56, kWait4 = 61, kSigAction = 13, kSigMask = 14, kSigReturn = 15, kExit = 60;
constexpr u64 kSyscallLength = 2;
constexpr u64 kCode = 0x40'0000;      // where the program is when it is nowhere special
constexpr u64 kHandlers = 0x50'0000;  // handler n is at kHandlers + n * kHandlerSize
constexpr u64 kHandlerSize = 16;
constexpr u64 kRestorer = 0x60'0000;
constexpr UserAddr kMemory{0x2000'0000};
constexpr usize kMemorySize = 64 * kMiB;
constexpr UserAddr kStack{0x1000'0000'0000};
constexpr usize kStackSize = 1 * kMiB;

int argument_count;
char** arguments;
int test_result = 1;

std::vector<Handler> handlers;
std::function<void()> next_child;
std::map<u32, std::function<void()>> programs;
UserAddr memory_next = kMemory;
std::map<u32, usize> starts;  // by thread

UserRegs& regs() {
  return current_task().user_regs();
}

void start_call(u64 number, const u64 (&a)[6]) {
  ++starts[current_task().tid()];
  fake::user_syscall(regs(), number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void run_handler() {
  const usize index = (regs().rip - kHandlers) / kHandlerSize;
  ASSERT(index < handlers.size());
  const Handler handler = handlers[index];
  const UserAddr frame(regs().rsp);
  ASSERT(look<u64>(frame) == kRestorer);
  const UserAddr context_at(regs().rdx), info_at(regs().rsi);
  auto context = look<abi::UContext>(context_at);
  Caught caught{look<abi::SignalInfo>(info_at), &context, frame};
  if (caught.info.number != i32(regs().rdi)) {
    caught.info = {};
    caught.info.number = i32(regs().rdi);
  }
  handler(caught);
  if (platform::copy_to_user(context_at, &context, sizeof context) != 0)
    panic("the frame is not there");
  // The handler's `ret`, and the restorer.
  regs().rip = kRestorer;
  regs().rsp = frame.value + sizeof(u64);
  fake::user_syscall(regs(), kSigReturn);
}

bool in_handler() {
  return regs().rip >= kHandlers && regs().rip < kHandlers + handlers.size() * kHandlerSize;
}

// Until the program is where it was: runs handlers, and starts calls again that were set back.
void go_on(u64 rip, u64 rsp) {
  // A handler's frame moves the stack, even one of the very function that was interrupted.
  while (regs().rip != rip || regs().rsp != rsp) {
    if (regs().rip == rip - kSyscallLength && regs().rsp == rsp) {
      regs().rip = rip;
      const UserRegs now = regs();
      start_call(now.rax, {now.rdi, now.rsi, now.rdx, now.r10, now.r8, now.r9});
    } else if (in_handler()) {
      run_handler();
    } else {
      panic("the program jumped to where nothing is");
    }
  }
}

Ref<AddressSpace> make_memory() {
  auto memory = AddressSpace::create().take();
  memory->set_mmap_base(UserAddr(0x7000'0000'0000));
  const auto map = [&](UserAddr at, usize size) {
    MapRequest request;
    request.hint = at;
    request.length = size;
    request.protection = Protection::kRead | Protection::kWrite;
    // As large as the machine's memory: nobody promises that it will be used.
    request.flags =
        MapFlags::kPrivate | MapFlags::kAnonymous | MapFlags::kFixed | MapFlags::kNoReserve;
    ASSERT(memory->map(request).ok());
  };
  map(kMemory, kMemorySize);
  map(kStack, kStackSize);
  return memory;
}

void start_machine() {
  FirstProgram first;
  first.name = "test";
  first.memory = make_memory();
  first.files = make_ref<FdTable>().take();
  first.fs = make_ref<FsContext>(Path(), Path(), 022).take();
  first.credentials = make_ref<Credentials>().take();
  first.entry = UserAddr(kCode);
  first.stack = kStack + kStackSize;
  auto task = TaskBuilder::start_first(std::move(first)).take();
  programs[task->tid()] = [] {
    test_result = RUN_ALL_TESTS();
    fake::stop();
  };
}

void run_program(UserRegs&) {
  auto& program = programs[current_task().tid()];
  if (!program) program = std::exchange(next_child, nullptr);
  ASSERT(program);
  const auto body = program;
  body();
  call(kExit, 0);
}

i32 clone(u64 flags, UserAddr stack, std::function<void()> body, UserAddr parent_tid = {}) {
  next_child = std::move(body);
  const i64 tid = call(kClone, flags, stack.value, parent_tid.value);
  // It may have run before this task came back, and taken its program itself.
  if (tid > 0 && next_child) programs[u32(tid)] = std::move(next_child);
  next_child = nullptr;
  return i32(tid);
}

}  // namespace

i64 call(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  const u64 rip = regs().rip, rsp = regs().rsp;
  starts[current_task().tid()] = 0;
  start_call(number, {a, b, c, d, e, f});
  go_on(rip, rsp);
  return i64(regs().rax);
}

usize call_starts() {
  return starts[current_task().tid()];
}

UserAddr memory(usize size) {
  const UserAddr at = memory_next;
  memory_next += align_up(size, 64);
  ASSERT(memory_next.value <= (kMemory + kMemorySize).value);
  return at;
}

i64 handle(Signal signal, Handler handler, u64 flags, SignalSet mask) {
  handlers.push_back(std::move(handler));
  const u64 address = kHandlers + (handlers.size() - 1) * kHandlerSize;
  const abi::SignalAction action{address, flags | abi::kActionRestorer, kRestorer, mask.bits};
  return call(kSigAction, u64(signal), put(action).value, 0, sizeof(SignalSet));
}

i64 set_action(Signal signal, u64 handler) {
  const abi::SignalAction action{handler, abi::kActionRestorer, kRestorer, 0};
  return call(kSigAction, u64(signal), put(action).value, 0, sizeof(SignalSet));
}

void block(SignalSet set) {
  ASSERT(call(kSigMask, 0, put(set).value, 0, sizeof set) == 0);
}
void unblock(SignalSet set) {
  ASSERT(call(kSigMask, 1, put(set).value, 0, sizeof set) == 0);
}

void page_fault(UserAddr address, Protection access) {
  const u64 rip = regs().rip, rsp = regs().rsp;
  regs().orig_rax = ~u64{0};
  upcall::on_page_fault({address, access, false}, &regs());
  interrupt();
  go_on(rip, rsp);
}

void trap(u8 vector, u64 error, u64 address) {
  const u64 rip = regs().rip, rsp = regs().rsp;
  regs().orig_rax = ~u64{0};
  upcall::on_user_trap({vector, error, address}, regs());
  interrupt();
  go_on(rip, rsp);
}

void interrupt() {
  const u64 rip = regs().rip, rsp = regs().rsp;
  regs().orig_rax = ~u64{0};
  static_cast<void>(platform::interrupts_save_disable());
  upcall::on_return_to_user(regs());
  ASSERT(!platform::interrupts_enabled());
  platform::interrupts_restore(true);
  go_on(rip, rsp);
}

i32 fork(std::function<void()> body) {
  return clone(u64(Signal::kChld), UserAddr(), std::move(body));
}

i32 fork_with(u64 flags, UserAddr parent_tid, std::function<void()> body) {
  return clone(flags | u64(Signal::kChld), UserAddr(), std::move(body), parent_tid);
}

i32 start_thread(std::function<void()> body) {
  constexpr u64 kThread = 0x10f00;  // VM, FS, FILES, SIGHAND, THREAD
  constexpr usize kThreadStack = 256 * kKiB;
  return clone(kThread, memory(kThreadStack) + kThreadStack, std::move(body));
}

i64 wait_for(i32 pid, i32 options) {
  const UserAddr status = memory(sizeof(i32));
  const i64 waited = call(kWait4, u64(i64(pid)), status.value, u64(i64(options)), 0);
  return waited <= 0 ? waited : look<i32>(status);
}

void let_others_run() {
  // Time passes only when nothing else can run.
  const u64 later = platform::monotonic_ns() + kNanosPerMilli;
  while (platform::monotonic_ns() < later) {
    prepare_to_sleep();
    sleep_until(later, Interruptible::kNo).ignore();
  }
}

}  // namespace narwhal::test_program

int main(int count, char** values) {
  using namespace narwhal;
  using namespace narwhal::test_program;
  argument_count = count;
  arguments = values;
  testing::InitGoogleTest(&argument_count, arguments);
  frames_init();
  fake::set_user_program(run_program);
  fake::set_frame_sharing(frame_add_ref);
  fake::run([] {
    scheduler_init();
    start_machine();
    run_scheduler();
  });
  // Process 1 still lives: what holds it is not taken apart.
  std::cout.flush();
  _exit(test_result);
}
