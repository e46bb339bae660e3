// The seccomp filter (Documentation/userspace-api/seccomp_filter.rst), made of the list of host
// calls. It is the boundary between the program and the host: the program can write the kernel's
// memory, and so can make any call that the kernel's own code can make.
#pragma once

#include <span>

#include "kernel/base/panic.h"
#include "kernel/platform/process/host_calls.h"
#include "kernel/platform/process/signals.h"

namespace narwhal::process_home {

// Classic BPF (linux/filter.h) over struct seccomp_data.
struct FilterInstruction {
  u16 code;
  u8 if_true, if_false;  // instructions to skip
  u32 value;
};

// What the rules' words mean in this process.
struct HostObjects {
  int memory = -1;
  std::span<const int> streams;  // devices included
  std::span<const int> devices;
  std::span<const int> timers;
  int call_signal = -1;
};

class Filter {
 public:
  // A jump spans them all.
  static constexpr usize kMostStreams = 64;
  static constexpr u16 kLoad = 0x20, kJumpIfEqual = 0x15, kJumpIfGreater = 0x25, kReturn = 0x06,
                       kAnd = 0x54;
  static constexpr u32 kKillProcess = 0x80000000, kTrap = 0x00030000, kAllow = 0x7fff0000;
  // Offsets in seccomp_data.
  static constexpr u32 kNumberAt = 0, kArchitectureAt = 4, kAddressAt = 8, kArgumentsAt = 16;

  explicit Filter(const HostObjects& objects) : objects_(objects) {
    // First the way in: `int 0x80` and 32-bit code have other numbers. (Those of the x32 ABI have a
    // bit that is in none of ours.)
    load(kArchitectureAt);
    must_equal(kArchX8664);
    for (const HostCall& call : kHostCalls) add(call);
    for (const VsyscallEntry& entry : kVsyscalls) add(entry);
    add({kReturn, 0, 0, kKillProcess});
  }

  std::span<const FilterInstruction> instructions() const { return {instructions_, count_}; }

 private:
  static constexpr u32 low_word_at(usize argument) { return kArgumentsAt + 8 * u32(argument); }
  static constexpr u32 high_word_at(usize argument) { return low_word_at(argument) + 4; }

  void add(FilterInstruction instruction) {
    ASSERT(count_ < kMost);
    instructions_[count_++] = instruction;
  }
  void load(u32 at) { add({kLoad, 0, 0, at}); }
  // Else the process ends.
  void must_equal(u32 value) {
    add({kJumpIfEqual, 1, 0, value});
    add({kReturn, 0, 0, kKillProcess});
  }

  // The number, else on to the next row; then conditions; then "allowed".
  void add(const HostCall& call) {
    load(kNumberAt);
    const usize here = count_;
    add({kJumpIfEqual, 0, 0, u32(call.number)});
    for (usize i = 0; i < HostCall::kArguments; ++i) add(i, call.arguments[i]);
    add({kReturn, 0, 0, kAllow});
    instructions_[here].if_false = u8(count_ - here - 1);
  }

  void add(const VsyscallEntry& entry) {
    load(kNumberAt);
    add({kJumpIfEqual, 0, 6, entry.number});
    load(kAddressAt + 4);
    add({kJumpIfEqual, 0, 3, u32(entry.address >> 32)});
    load(kAddressAt);
    add({kJumpIfEqual, 0, 1, u32(entry.address)});
    add({kReturn, 0, 0, kTrap});
    add({kReturn, 0, 0, kKillProcess});
  }

  void add(usize argument, const ArgumentRule& rule) {
    using Kind = ArgumentRule::Kind;
    switch (rule.kind) {
      case Kind::kAny:
        return;
      case Kind::kValue:
        load(high_word_at(argument));
        must_equal(0);
        load(low_word_at(argument));
        if (rule.ignored != 0) add({kAnd, 0, 0, ~rule.ignored});
        must_equal(rule.value);
        return;
      case Kind::kEither:
        load(high_word_at(argument));
        must_equal(0);
        load(low_word_at(argument));
        add({kJumpIfEqual, 2, 0, rule.value});
        must_equal(rule.other);
        return;
      case Kind::kAtMost:
        load(high_word_at(argument));
        must_equal(0);
        load(low_word_at(argument));
        add({kJumpIfGreater, 0, 1, rule.value});
        add({kReturn, 0, 0, kKillProcess});
        return;
      case Kind::kMemory:
        return must_be_one_of(argument, {&objects_.memory, 1});
      case Kind::kStreams:
        return must_be_one_of(argument, objects_.streams);
      case Kind::kDevices:
        return must_be_one_of(argument, objects_.devices);
      case Kind::kTimers:
        return must_be_one_of(argument, objects_.timers);
      case Kind::kCall:
        return must_be_one_of(argument, {&objects_.call_signal, 1});
    }
  }

  // The host takes these for an int: the upper half of the register does not count.
  void must_be_one_of(usize argument, std::span<const int> values) {
    load(low_word_at(argument));
    usize left = 0;
    for (const int value : values) left += value >= 0;
    for (const int value : values)
      if (value >= 0) add({kJumpIfEqual, u8(left--), 0, u32(value)});
    add({kReturn, 0, 0, kKillProcess});
  }

  static constexpr usize kMost = 250 + 5 * kMostStreams;
  HostObjects objects_;
  FilterInstruction instructions_[kMost];
  usize count_ = 0;
};

}  // namespace narwhal::process_home
