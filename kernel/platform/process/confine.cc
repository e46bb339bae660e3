// The seccomp filter (Documentation/userspace-api/seccomp_filter.rst). It is the boundary between
// the program and the host: the program can write the kernel's memory, and so can make any call
// that the kernel's own code can make.
#include "kernel/platform/process/confine.h"

#include "kernel/base/panic.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/process/signals.h"

namespace narwhal::process_home {
namespace {

// Classic BPF (linux/filter.h) over struct seccomp_data.
struct Instruction {
  u16 code;
  u8 if_true, if_false;  // instructions to skip
  u32 value;
};
constexpr u16 kLoad = 0x20, kJumpIfEqual = 0x15, kReturn = 0x06, kAnd = 0x54;
constexpr u32 kKillProcess = 0x80000000, kAllow = 0x7fff0000;
constexpr u32 kNumberAt = 0, kArchitectureAt = 4;
constexpr u32 low_word_at(u32 argument) {
  return 16 + 8 * argument;
}
constexpr u32 high_word_at(u32 argument) {
  return low_word_at(argument) + 4;
}

class Filter {
 public:
  Filter() {
    add({kLoad, 0, 0, kArchitectureAt});
    add({kJumpIfEqual, 1, 0, kArchX8664});
    add({kReturn, 0, 0, kKillProcess});
  }
  // Each rule is: the number, else on to the next rule; then conditions, each of which leads to the
  // end or to the next; then "allowed".
  void begin(host::Number number) {
    add({kLoad, 0, 0, kNumberAt});
    rule_ = count_;
    add({kJumpIfEqual, 0, 0, u32(number)});
  }
  void end() {
    add({kReturn, 0, 0, kAllow});
    instructions_[rule_].if_false = u8(count_ - rule_ - 1);
  }
  void allow(host::Number number) {
    begin(number);
    end();
  }
  // An argument that the host takes for an int.
  template <usize N>
  void int_is_one_of(u32 argument, const int (&values)[N]) {
    add({kLoad, 0, 0, low_word_at(argument)});
    for (usize i = 0; i < N; ++i) add({kJumpIfEqual, u8(N - i), 0, u32(values[i])});
    add({kReturn, 0, 0, kKillProcess});
  }
  // A whole word, with some bits of its lower half left out.
  void is(u32 argument, u32 value, u32 but = 0) {
    add({kLoad, 0, 0, high_word_at(argument)});
    add({kJumpIfEqual, 1, 0, 0});
    add({kReturn, 0, 0, kKillProcess});
    add({kLoad, 0, 0, low_word_at(argument)});
    add({kAnd, 0, 0, ~but});
    add({kJumpIfEqual, 1, 0, value});
    add({kReturn, 0, 0, kKillProcess});
  }
  void install() {
    add({kReturn, 0, 0, kKillProcess});
    if (!host::install_filter(instructions_, u16(count_)).ok())
      panic("the host takes no seccomp filter");
  }

 private:
  void add(Instruction instruction) {
    ASSERT(count_ < kMost);
    instructions_[count_++] = instruction;
  }
  static constexpr usize kMost = 128;
  Instruction instructions_[kMost];
  usize count_ = 0;
  usize rule_ = 0;
};

void close_others() {
  const int used[] = {boot_state.memory_fd, boot_state.streams[0], boot_state.streams[1],
                      boot_state.streams[2], boot_state.control_fd, boot_state.log_fd};
  // From one descriptor in use to the next.
  u32 from = 0;
  for (;;) {
    u32 next = ~u32{0};
    for (const int fd : used)
      if (fd >= 0 && u32(fd) >= from && u32(fd) < next) next = u32(fd);
    if (next != from) host::close_range(from, next == ~u32{0} ? next : next - 1);
    if (next == ~u32{0}) return;
    from = next + 1;
  }
}

}  // namespace

void confine() {
  close_others();
  const int out[] = {boot_state.streams[0], boot_state.streams[1], boot_state.streams[2],
                     boot_state.control_fd, boot_state.log_fd};
  const int memory[] = {boot_state.memory_fd};
  Filter filter;
  // The most frequent first.
  filter.begin(host::Number::kMmap);
  filter.is(3, host::kSharedFixed, host::kPresent);
  filter.int_is_one_of(4, memory);
  filter.end();
  filter.allow(host::Number::kMunmap);
  filter.allow(host::Number::kPpoll);
  filter.allow(host::Number::kTimerSettime);
  filter.allow(host::Number::kSigreturn);
  filter.begin(host::Number::kRead);
  filter.int_is_one_of(0, out);
  filter.end();
  filter.begin(host::Number::kWrite);
  filter.int_is_one_of(0, out);
  filter.end();
  filter.allow(host::Number::kExitGroup);
  filter.install();
}

}  // namespace narwhal::process_home
