// Programs of the classic Berkeley packet filter, as seccomp(2) uses them: a machine with an
// accumulator, an index register, 16 words of memory, and jumps forward only, so that every program
// ends.
#pragma once

#include <span>

#include "kernel/base/types.h"

namespace narwhal::bpf {

struct Instruction {  // struct sock_filter
  u16 code;
  u8 if_true, if_false;  // how many instructions a jump passes over
  u32 k;
};

inline constexpr usize kMostInstructions = 4096;

// Whether it may run on data of this size: known instructions, jumps and loads that stay inside,
// memory that was written before it is read, and a return at the end of every way.
bool valid(std::span<const Instruction> program, usize data_size);

// What it returns for `words`, the data. Only for valid programs.
u32 run(std::span<const Instruction> program, std::span<const u32> words);

}  // namespace narwhal::bpf
