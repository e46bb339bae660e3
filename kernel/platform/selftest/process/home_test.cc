// What only the process home has: its window among the program's addresses, the host's mappings as
// a cache.
#include <cstring>

#include "kernel/mm/frame.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/pmap.h"
#include "kernel/platform/process/confine.h"
#include "kernel/platform/process/events.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/host_process.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/process/processors.h"
#include "kernel/platform/selftest/process/process_tests.h"
#include "kernel/platform/user_copy.h"
#include "kernel/sched/cpus.h"
#include "kernel/sched/wait_queue.h"

extern "C" narwhal::usize narwhal_user_copy(void* to, const void* from, narwhal::usize size);

namespace narwhal::selftest {

PhysAddr marked_frame(char mark) {
  const PhysAddr frame = allocate_frames(0, FrameContent::kZeroed).take();
  *reinterpret_cast<char*>(platform::direct_map(frame)) = mark;
  return frame;
}

char byte_at(UserAddr address) {
  char byte = 0;
  return platform::copy_from_user(&byte, address, 1) == 0 ? byte : '-';
}

namespace {

using process_home::boot_state;

// Ends of the self-test that call what the filter forbids.
bool asked_for_a_crime() {
  for (const char* call : {"open", "anonymous", "foreign", "descriptor", "protect"})
    if (asked_for(call)) return true;
  return false;
}

void test_window() {
  const UserAddr window(boot_state.window_base);
  char byte = 'x';
  CHECK(platform::copy_from_user(&byte, window, 1) == 1);
  CHECK(platform::copy_to_user(window + process_home::kMemoryStart, &byte, 1) == 1);
  CHECK(platform::copy_to_user(window - 1, &byte, 2) == 2);

  // A pmap may have pages there; nothing of the kernel's goes away for them.
  Own<Pmap> pmap = Pmap::create().take();
  pmap->activate();
  const PhysAddr frame = marked_frame('w');
  CHECK(pmap->map(window + kPageSize, frame, 1, Protection::kRead).ok());
  pmap->unmap(window - 4 * kPageSize, 8);
  pmap->unmap(UserAddr(0), kUserEnd.value / kPageSize);
  free_frames(frame, 0);
}

// Two address spaces take turns in one cache.
void test_turns() {
  const UserAddr at(0x40'0000);
  constexpr Protection kReadWrite = Protection::kRead | Protection::kWrite;
  Own<Pmap> one = Pmap::create().take(), other = Pmap::create().take();
  const PhysAddr first = marked_frame('1'), second = marked_frame('2');
  CHECK(one->map(at, first, 1, kReadWrite).ok());
  CHECK(other->map(at, second, 1, Protection::kRead).ok());
  for (int i = 0; i < 3; ++i) {
    one->activate();
    CHECK(byte_at(at) == '1');
    CHECK(platform::copy_to_user(at + 1, "x", 1) == 0);
    other->activate();
    CHECK(byte_at(at) == '2');
    CHECK(byte_at(at + kPageSize) == '-');
    CHECK(platform::copy_to_user(at + 1, "x", 1) == 1);
  }
  // What was mapped elsewhere while it was not current is seen when it is again.
  one->protect(at, 1, Protection::kNone);
  one->activate();
  CHECK(byte_at(at) == '-');
  free_frames(first, 0);
  free_frames(second, 0);
}

// More runs than the host allows mappings: the cache starts again, and nobody notices.
void test_full_cache() {
  constexpr usize kPages = 70'000;  // vm.max_map_count is 65,530 where nobody changed it
  const UserAddr at(0x1000'0000);
  Own<Pmap> pmap = Pmap::create().take();
  pmap->activate();
  const PhysAddr frame = marked_frame('f');
  for (usize i = 0; i < kPages; ++i)
    CHECK(pmap->map(at + i * kPageSize, frame, 1, Protection::kRead).ok());
  CHECK(byte_at(at) == 'f');
  CHECK(byte_at(at + (kPages - 1) * kPageSize) == 'f');
  pmap->unmap(at + kPageSize, kPages - 2);
  CHECK(byte_at(at) == 'f');
  CHECK(byte_at(at + kPageSize) == '-');
  free_frames(frame, 0);
}

// A program that only computes, and no tick to come: input is noticed when it comes. The script
// gives us a pipe of which we have both ends.
void test_input() {
  static constinit process_home::Watch watch{};
  static constinit u32 calls = 0;
  watch.fd = boot_state.streams[0];
  watch.ready = [](void*) { ++calls; };
  process_home::add_watch(watch);
  platform::set_timer(platform::kNoDeadline);
  const bool were_on = platform::interrupts_save_disable();
  process_home::arm(watch, host::kPollIn);
  platform::interrupts_restore(were_on);
  CHECK(host::signal_input(watch.fd, false).ok());
  const std::byte byte{};
  for (u32 i = 0; i < 3; ++i) {
    CHECK(*const_cast<volatile u32*>(&calls) == i);
    CHECK(host::write(watch.fd, {&byte, 1}).ok());
    CHECK(*const_cast<volatile u32*>(&calls) == i + 1);
    std::byte got;
    CHECK(host::read(watch.fd, {&got, 1}).ok());
    process_home::arm(watch, host::kPollIn);
  }

  // Of a device the host tells between two ticks that found a program computing and the CPU's next
  // rest, and not where the kernel looks by itself.
  host::switch_signals(watch.fd, false);
  watch.may_signal = true;
  u32 before = calls;
  const auto held_back = [](auto&& does) {
    const bool on = platform::interrupts_save_disable();
    does();
    platform::interrupts_restore(on);
  };
  const auto input = [&] {
    held_back([] { process_home::arm(watch, host::kPollIn); });
    CHECK(host::write(watch.fd, {&byte, 1}).ok());
    return *const_cast<volatile u32*>(&calls) - before;
  };
  const auto take = [&] {
    held_back([] { process_home::poll_events(); });
    std::byte got;
    CHECK(host::read(watch.fd, {&got, 1}).ok());
    before = calls;
  };
  CHECK(input() == 0);
  take();
  held_back([] { process_home::look_at_tick(true); });
  CHECK(input() == 0);  // there was input before that tick
  take();
  for (u32 i = 0; i < 2; ++i) held_back([] { process_home::look_at_tick(true); });
  for (u32 i = 0; i < 3; ++i) {
    CHECK(input() == 1);
    take();
  }
  held_back([] { process_home::wait_for_events(0); });
  CHECK(input() == 0);
  take();

  // Whoever looks at his device himself, as the network does, need not be told.
  for (u32 i = 0; i < 2; ++i) {
    held_back([&] { process_home::arm(watch, host::kPollIn); });
    held_back([] { process_home::look_at_tick(true); });
  }
  CHECK(input() == 0);
  take();
  // Too many signals between two ticks are the last.
  for (u32 i = 0; i < 2; ++i) held_back([] { process_home::look_at_tick(true); });
  u32 told = 0;
  for (; told < 10000 && input() == 1; ++told) take();
  take();
  CHECK(told > 0 && told < 10000);
}

// What was used and is free again is the host's after a while of idling, and comes back as zeros.
void test_give_back() {
  constexpr usize kFrames = 8 * kMiB / kPageSize;
  static constinit PhysAddr frames[kFrames] = {};
  for (PhysAddr& frame : frames) {
    frame = allocate_frames(0, FrameContent::kAny).take();
    *reinterpret_cast<u64*>(platform::direct_map(frame)) = ~u64{0};
  }
  for (const PhysAddr frame : frames) free_frames(frame, 0);
  CHECK(has_memory_to_give_back());
  static constinit WaitQueue nobody_wakes;
  while (has_memory_to_give_back())
    block_until_ready(nobody_wakes, PollEvents::kIn, platform::monotonic_ns() + 10 * kNanosPerMilli,
                      []() -> Result<> { return Errno::kAgain; })
        .ignore();
  usize zeros = 0;
  for (const PhysAddr frame : frames)
    zeros += *reinterpret_cast<u64*>(platform::direct_map(frame)) == 0;
  CHECK(zeros >= kFrames / 2);
}

}  // namespace

bool kernel_can_read(const void* address) {
  char byte;
  return narwhal_user_copy(&byte, address, 1) == 0;
}

void test_home() {
  test_window();
  // In one host process, then with more of them.
  test_turns();
  if (asked_for("confined") || asked_for_a_crime()) {
    process_home::confine();
  } else {
    process_home::start_maker(nullptr, 0);
    process_home::start_further_cpus();
  }
  wait_for_cpus();
  test_turns();
  test_host_processes();
  // Takes long, once is enough.
  if (platform::command_line().find("selftest=") == std::string_view::npos) test_full_cache();
  if (asked_for("input")) test_input();
  if (asked_for("idle")) test_give_back();
}

// Each is a call that the filter must answer by ending the process; what comes back is a failure.
void end_as_asked() {
  const auto escaped = [](auto&& result) {
    Text<100> text;
    text << "selftest: a host call that is not allowed came back: " << result.error() << '\n';
    platform::console_write(text.view());
    platform::power_off(1);
  };
  constexpr u64 kSomewhere = 0x10'0000;
  constexpr u32 kRights = u32(host::Rights::kReadWrite);
  std::byte byte{};
  // Where there are others, one of them is the culprit.
  Own<Pmap> other = Pmap::create().take();
  if (process_home::in_first()) other->activate();
  if (asked_for("lost")) host::exit(0);
  if (asked_for("waiting")) {
    platform::console_write("waiting\n");
    for (u32 never = 0;;) host::wait(never, 0);
  }
  if (asked_for("memory")) {
    // A page that the host does not have: beyond the end of the memory file.
    CHECK(host::map_shared(kSomewhere, kPageSize, kRights, boot_state.memory_fd,
                           boot_state.memory_size)
              .ok());
    CHECK(platform::copy_from_user(&byte, UserAddr(kSomewhere), 1) == 0);
  }
  if (!asked_for_a_crime()) return;
  if (asked_for("open")) escaped(host::open_read_only("/etc/passwd"));
  if (asked_for("anonymous"))
    escaped(host::map_private(kSomewhere, kPageSize, kRights, boot_state.memory_fd, 0));
  if (asked_for("foreign"))
    escaped(host::map_shared(kSomewhere, kPageSize, kRights, boot_state.streams[0], 0));
  if (asked_for("descriptor")) escaped(host::write(boot_state.memory_fd, {&byte, 1}));
  if (asked_for("protect")) escaped(host::protect(kSomewhere, kPageSize, kRights));
}

}  // namespace narwhal::selftest
