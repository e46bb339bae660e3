// How each argument type comes out of a register, and how tracing shows it.
//
// decode() cuts what the kernel must not look at (the upper half of an int), print() writes what
// strace would.
#pragma once

#include "kernel/abi/fcntl.h"
#include "kernel/base/format.h"
#include "kernel/mm/address_space.h"
#include "process/task_builder.h"
#include "syscalls/types.h"

namespace narwhal {

template <typename T>
struct SyscallArg;

template <std::integral T>
struct SyscallArg<T> {
  static T decode(u64 value) { return static_cast<T>(value); }
  static void print(TextSink& out, T value) { out << value; }
};
// Types that wrap one number in a member `value`.
template <typename T>
struct WrappedArg {
  static T decode(u64 value) { return {static_cast<decltype(T::value)>(value)}; }
  static void print(TextSink& out, T wrapped) { out << wrapped.value; }
};
template <>
struct SyscallArg<Fd> : WrappedArg<Fd> {};
template <>
struct SyscallArg<Pid> : WrappedArg<Pid> {};
template <>
struct SyscallArg<DirFd> : WrappedArg<DirFd> {
  static void print(TextSink& out, DirFd fd) {
    if (fd.value == kAtFdCwd)
      out << "AT_FDCWD";
    else
      out << fd.value;
  }
};
template <>
struct SyscallArg<Mode> : WrappedArg<Mode> {
  static void print(TextSink& out, Mode mode) { out << octal(mode.value); }
};
template <>
struct SyscallArg<HexInt> : WrappedArg<HexInt> {
  static void print(TextSink& out, HexInt flags) { out << hex(flags.value); }
};
template <>
struct SyscallArg<SignalNumber> : WrappedArg<SignalNumber> {
  static void print(TextSink& out, SignalNumber signal);  // "SIGTERM"
};
template <>
struct SyscallArg<FutexOperation> : WrappedArg<FutexOperation> {
  static void print(TextSink& out, FutexOperation operation);  // "FUTEX_WAIT_PRIVATE"
};
template <>
struct SyscallArg<UserAddr> {
  static UserAddr decode(u64 value) { return UserAddr(value); }
  static void print(TextSink& out, UserAddr address) {
    if (address.value == 0)
      out << "NULL";
    else
      out << hex(address.value);
  }
};
// Typed pointers: printed as addresses.
template <typename T>
struct PointerArg {
  static T decode(u64 value) { return {UserAddr(value)}; }
  static void print(TextSink& out, T pointer) { SyscallArg<UserAddr>::print(out, pointer.addr); }
};
template <typename T>
struct SyscallArg<UserIn<T>> : PointerArg<UserIn<T>> {};
template <typename T>
struct SyscallArg<UserOut<T>> : PointerArg<UserOut<T>> {};
template <typename T>
struct SyscallArg<UserInOut<T>> : PointerArg<UserInOut<T>> {};
// Strings are shown, as strace does, up to 64 characters.
template <>
struct SyscallArg<UserString> : PointerArg<UserString> {
  static void print(TextSink& out, UserString string);
};

// One bit (or several) of a flag set with its name, for printing.
struct FlagName {
  u64 bits;
  std::string_view name;
};
// "A|B|0x40": names first, what has none in hexadecimal, `zero` when nothing is set.
void print_flags(TextSink& out, u64 value, std::span<const FlagName> names, std::string_view zero);

template <>
struct SyscallArg<CloneFlags> {
  static CloneFlags decode(u64 value) { return CloneFlags(value); }
  static void print(TextSink& out, CloneFlags flags);  // "CLONE_VM|CLONE_FS|SIGCHLD"
};
template <>
struct SyscallArg<OpenFlags> {
  static OpenFlags decode(u64 value) { return OpenFlags(u32(value)); }
  static void print(TextSink& out, OpenFlags flags);
};
template <>
struct SyscallArg<ProtectionBits> : WrappedArg<ProtectionBits> {
  static void print(TextSink& out, ProtectionBits protection);
};
template <>
struct SyscallArg<MapFlags> {
  static MapFlags decode(u64 value) { return MapFlags(u32(value)); }
  static void print(TextSink& out, MapFlags flags);
};

}  // namespace narwhal
