// From a file to a program that can take its first instruction: the part of execve(2) that builds
// the new image.
#pragma once

#include "fs/core/vfs.h"
#include "kernel/mm/address_space.h"
#include "loader/elf.h"

namespace narwhal {

struct ProgramArguments {
  Vector<String> argv;
  Vector<String> envp;
};

// execve(2)'s limits: each string, and all of them with their pointers, which share a quarter of
// the stack's limit.
inline constexpr usize kMaxArgumentLength = 32 * kPageSize;

struct LoadOptions {
  bool randomize = true;
  u64 stack_limit = 8 * kMiB;  // RLIMIT_STACK
  // What the program is told that its file is called, when that is not the path: execveat(2) with a
  // descriptor.
  std::string_view file_name;
  // That name goes with a descriptor that closes: a script's interpreter could not open it.
  bool file_name_is_lost = false;
  // Random bytes; the kernel's generator.
  void (*random)(std::span<std::byte> out) = nullptr;
};

struct LoadedProgram {
  Ref<AddressSpace> memory;
  UserAddr entry{};  // first instruction: the interpreter's, if there is one
  UserAddr stack{};  // initial rsp
  Path executable;   // what /proc/PID/exe shows: for a script, its interpreter
  Ref<RefCounted>
      write_denial;  // keeps the executable from being written (ETXTBSY) for as long as it lives
  // From set-user-ID bits of the file; equal to the actor's when there are none.
  u32 effective_uid = 0, effective_gid = 0;
  Vector<char> name;  // comm: the last component of the path, without NUL
};

// What keeps a file from being written for as long as it lives. ETXTBSY: somebody writes it.
Result<Ref<RefCounted>> deny_writing(Ref<Inode> inode);

// Loads the program at `path` (from `start`, as openat(2)) into a fresh address space. Nothing of
// the caller changes. ENOENT, EACCES, ENOEXEC, ELIBBAD (the interpreter is no good), E2BIG, ELOOP
// (scripts of scripts), ENOMEM, ETXTBSY, EIO.
Result<LoadedProgram> load_program(const vfs::Actor& actor, const Path& start,
                                   std::string_view path, ProgramArguments& arguments,
                                   const LoadOptions& options);

}  // namespace narwhal
