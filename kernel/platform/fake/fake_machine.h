// The fake home's other side: what a host test does to the machine below the code under test.
//
// One CPU. Time stands still unless a test moves it, or the CPU idles until the next timer.
// Interrupts come when they are enabled: at once, or when the code under test lets them in again.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/platform/context.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/pmap.h"

namespace narwhal::fake {

// --- physical memory

// Replaces all physical memory by these ranges (whole pages), all zero, and forgets what was
// allocated. `archive` lies outside the usable ranges. What is neither cannot be touched. Without
// a call, the machine has 64 MiB with a hole at 1 MiB to 2 MiB.
void set_physical_memory(const std::vector<platform::MemoryRange>& usable,
                         platform::MemoryRange archive = {});
// Registers of a device, for platform::map_device(): plain memory of the test's.
void add_device(PhysAddr address, std::span<std::byte> registers);
// Kernel stacks that are allocated now.
usize kernel_stacks();

// --- the program's memory

// A buffer at an address of the program's, for tests that have no address space. It comes before
// whatever a Pmap maps there, and is gone with this object.
class UserMemory : NonCopyable {
 public:
  UserMemory(UserAddr at, usize size,
             Protection protection = Protection::kRead | Protection::kWrite);
  ~UserMemory();
  UserAddr address() const { return at_; }
  usize size() const { return bytes_.size(); }
  std::byte* data() { return bytes_.data(); }
  Protection protection() const { return protection_; }
  void set_protection(Protection protection) { protection_ = protection; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  UserAddr at_;
  std::vector<std::byte> bytes_;
  Protection protection_;
};

// The Pmap that was activated last; null when none was, or it is gone.
Pmap* active_pmap();
// Pages that can be mapped until Pmap::map() says ENOMEM.
void set_pmap_budget(usize pages);
// Who counts references to frames: a copy of a lent table takes one for each page.
void set_frame_sharing(void (*add_reference)(PhysAddr frame));

// --- time and interrupts

void set_time(u64 ns);
void advance_time(u64 ns);
// Each look at the clock moves it by so much, for code that polls. 0 at first.
void set_clock_step(u64 ns);
// What was asked of platform::set_timer() and has not come yet.
u64 timer_deadline();
// A device signals; the handler was registered with register_irq or register_message_irq.
void raise_irq(u32 line);
void raise_message(u32 data);
// Runs in interrupt context as soon as interrupts are enabled.
void post_interrupt(std::function<void()> handler);

// --- running threads

enum class RunEnd : u8 {
  kReturned,    // `body` returned
  kIdle,        // the CPU went idle, with no timer armed and no interrupt under way
  kStopped,     // somebody called stop()
  kPoweredOff,  // platform::power_off()
};
// Calls `body` on a stack of its own, which may become the scheduler's: when the machine comes to
// rest, run() returns and that stack is forgotten. Interrupts are enabled when body begins.
RunEnd run(std::function<void()> body);
[[noreturn]] void stop();
u8 power_off_status();

// What the program does when it is entered: platform::enter_user() calls it with the registers
// again and again. System calls are made with user_syscall().
void set_user_program(std::function<void(UserRegs&)> program);
i64 user_syscall(UserRegs& regs, u64 number, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0, u64 e = 0,
                 u64 f = 0);

// --- the world

// What platform::cpu_count() says; there is one nevertheless.
void set_cpu_count(u32 count);
void set_command_line(std::string_view line);
// Everything written to the machine's console so far.
std::string& console_output();
void type_on_console(std::string_view bytes);
// Kernel messages so far, one line each; they also go to standard error.
std::string& log_output();
// The wall clock at boot.
void set_boot_wall_clock(i64 ns);

}  // namespace narwhal::fake
