// Types that arguments of system calls have, beyond plain integers.
#pragma once

#include "kernel/abi/fd_pair.h"
#include "kernel/platform/user.h"

namespace narwhal {

class Task;

using SysResult = Result<i64>;

// A descriptor: the low 32 bits of the register, as Linux cuts them.
struct Fd {
  i32 value;
};
// A directory descriptor of an *at() call; AT_FDCWD means the working directory.
struct DirFd {
  i32 value;
};
inline constexpr i32 kAtFdCwd = -100;
struct Pid {
  i32 value;
};
// Permission bits: printed in octal.
struct Mode {
  u32 value;
};
// Signal numbers as the program wrote them: not checked yet.
struct SignalNumber {
  i32 value;
};
// What futex(2) is to do, with its flags.
struct FutexOperation {
  u32 value;
};
// PROT_* of mmap(2), with bits that Protection has no name for.
struct ProtectionBits {
  u64 value;
};
// An int or unsigned int that is a set of flags or a code without a type of its own: printed in
// hexadecimal.
struct HexInt {
  u32 value;
};

}  // namespace narwhal
