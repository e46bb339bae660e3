#include "kernel/platform/x86/panic.h"

#include <string_view>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/base/atomic.h"
#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/base/symbols/symbol_table.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/upcalls.h"

extern "C" {
extern const std::byte kernel_symbols_start[], kernel_symbols_end[];
extern const char kernel_text_start[], kernel_text_end[];
}

namespace narwhal {
namespace {

constexpr std::string_view kTrapNames[] = {
    "divide error",
    "debug",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range",
    "invalid opcode",
    "no FPU",
    "double fault",
    "coprocessor overrun",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "reserved",
    "x87 error",
    "alignment check",
    "machine check",
    "SIMD error",
};
constexpr u8 kPanicStatus = 0x7f;
constexpr u32 kDoubleFault = 8, kPageFault = 14;

constinit Atomic<u32> panicking{0};  // the CPU that does, counted from 1

void print(std::string_view text) {
  log_line(LogLevel::kError, text);
}

void print_address(u64 address) {
  const u64 base = x86::kernel_places().image_base;
  const SymbolTable symbols(std::span(kernel_symbols_start, kernel_symbols_end));
  Text<200> line;
  line << "  " << hex(address);
  if (address >= base) {
    const auto found = symbols.find(address - base);
    if (!found.name.empty()) line << ' ' << found.name << '+' << hex(found.offset);
  }
  print(line.view());
}

bool in_text(u64 address) {
  return address >= reinterpret_cast<u64>(kernel_text_start) &&
         address < reinterpret_cast<u64>(kernel_text_end);
}

bool among_stacks(u64 address) {
  const x86::KernelPlaces places = x86::kernel_places();
  return address >= places.stacks_start && address < places.stacks_end;
}

// Follows the chain of frame pointers for as long as it looks like one.
void print_backtrace(u64 rip, u64 rbp) {
  print("backtrace:");
  if (rip != 0) print_address(rip);
  const x86::KernelPlaces places = x86::kernel_places();
  for (int depth = 0; depth < 32; ++depth) {
    if (rbp < places.first_frame || rbp >= places.last_frame || !is_aligned(rbp, 8)) return;
    const auto* frame = reinterpret_cast<const u64*>(rbp);
    if (!in_text(frame[1])) return;
    print_address(frame[1] - 1);
    if (frame[0] <= rbp) return;
    rbp = frame[0];
  }
}

void print_registers(const UserRegs& r) {
  const struct {
    const char* name;
    u64 value;
  } registers[] = {{"rip", r.rip}, {"rsp", r.rsp}, {"rflags", r.rflags}, {"rax", r.rax},
                   {"rbx", r.rbx}, {"rcx", r.rcx}, {"rdx", r.rdx},       {"rsi", r.rsi},
                   {"rdi", r.rdi}, {"rbp", r.rbp}, {"r8", r.r8},         {"r9", r.r9},
                   {"r10", r.r10}, {"r11", r.r11}, {"r12", r.r12},       {"r13", r.r13},
                   {"r14", r.r14}, {"r15", r.r15}};
  Text<200> line;
  usize in_line = 0;
  for (const auto& reg : registers) {
    line << "  " << reg.name << ' ' << hex_digits(reg.value, 16);
    if (++in_line == 4) {
      print(line.view());
      line.clear();
      in_line = 0;
    }
  }
  if (in_line) print(line.view());
}

[[noreturn]] void finish(const char* reason) {
  upcall::on_panic(reason);
  platform::power_off(kPanicStatus);
}

// Only once: a panic in a panic just stops, and one on another CPU leaves the end to the first.
// Early on a CPU does not know its number yet.
void begin() {
  platform::interrupts_save_disable();
  const bool alone = platform::cpu_count() == 1;
  const u32 me = alone ? 1 : cpu_local().index + 1;
  u32 first = 0;
  if (!panicking.compare_exchange(first, me)) {
    if (first == me) platform::power_off(kPanicStatus);
    for (;;) __builtin_ia32_pause();
  }
  if (!alone) x86::halt_other_cpus();
}

}  // namespace

void panic(const char* reason) {
  UserRegs regs{};
  // As they are here: what the caller had in the others is gone already.
  asm volatile(
      "movq %%rbx, %0\n\tmovq %%rbp, %1\n\tmovq %%r12, %2\n\tmovq %%r13, %3\n\t"
      "movq %%r14, %4\n\tmovq %%r15, %5\n\tmovq %%rsp, %6"
      : "=m"(regs.rbx), "=m"(regs.rbp), "=m"(regs.r12), "=m"(regs.r13), "=m"(regs.r14),
        "=m"(regs.r15), "=m"(regs.rsp));
  regs.rip = reinterpret_cast<u64>(__builtin_return_address(0));
  regs.rflags = x86::read_flags();
  begin();
  Text<200> line;
  line << "panic: " << reason;
  print(line.view());
  print_registers(regs);
  print_backtrace(0, reinterpret_cast<u64>(__builtin_frame_address(0)));
  finish(reason);
}

void panic_at(const char* condition, const char* file, int line_number) {
  Text<200> reason;
  reason << "assertion failed: " << condition << " (" << file << ':' << line_number << ')';
  panic(reason.c_str());
}

void x86::panic_with_trap(u32 vector, u64 error, u64 address, const UserRegs& regs) {
  begin();
  Text<200> reason;
  reason << (vector < std::size(kTrapNames) ? kTrapNames[vector] : "trap") << " in the kernel at "
         << hex(regs.rip) << ", error code " << hex(error) << ", address " << hex(address);
  if ((vector == kPageFault || vector == kDoubleFault) && among_stacks(address))
    reason << ": a kernel stack overflowed into its guard page";
  Text<240> line;
  line << "panic: " << reason.view();
  print(line.view());
  print_registers(regs);
  print_backtrace(regs.rip, regs.rbp);
  finish(reason.c_str());
}

// What C code compiled into the kernel calls.
extern "C" [[noreturn]] void abort() {
  panic("abort() called");
}
extern "C" [[noreturn]] void __cxa_pure_virtual() {
  panic("a pure virtual function was called");
}

}  // namespace narwhal

// What std::string_view calls when a position lies outside; <bits/functexcept.h> declares it.
namespace std {
void __throw_out_of_range_fmt(const char* what, ...) {
  narwhal::panic(what);
}
}  // namespace std
