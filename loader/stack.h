// The initial stack: arguments, environment and auxiliary vector as the x86-64 psABI lays them out
// (section 3.4.1).
#pragma once

#include "kernel/abi/elf.h"
#include "loader/program.h"

namespace narwhal {

struct AuxiliaryEntry {
  abi::Auxiliary type;
  u64 value;
};

struct StackContent {
  std::string_view executable_name;  // AT_EXECFN
  std::span<const AuxiliaryEntry>
      entries;    // those whose value is a number; pointers are added here
  u8 random[16];  // AT_RANDOM
};

struct StackImage {
  Vector<std::byte> bytes;  // goes to [pointer, top)
  UserAddr pointer{};       // initial rsp, 16-byte aligned
  UserAddr args_start{}, args_end{},
      env_end{};  // where the strings are; the environment follows the arguments
};

// Lays out everything below `top`. ENOMEM.
Result<StackImage> build_stack(UserAddr top, const ProgramArguments& arguments,
                               const StackContent& content);

}  // namespace narwhal
