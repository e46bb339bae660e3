// <elf.h>, the ELF64 part that a loader needs (System V ABI, chapter 4 and 5), and the auxiliary
// vector (getauxval(3)).
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

struct ElfHeader {
  u8 ident[16];
  u16 type;
  u16 machine;
  u32 version;
  u64 entry;
  u64 program_headers;  // offset in the file
  u64 section_headers;
  u32 flags;
  u16 header_size;
  u16 program_header_size;
  u16 program_header_count;
  u16 section_header_size;
  u16 section_header_count;
  u16 section_names;
};
static_assert(sizeof(ElfHeader) == 64);

struct ElfProgramHeader {
  u32 type;
  u32 flags;
  u64 offset;
  u64 address;
  u64 physical_address;
  u64 file_size;
  u64 memory_size;
  u64 alignment;
};
static_assert(sizeof(ElfProgramHeader) == 56);

inline constexpr u16 kElfExecutable = 2;  // ET_EXEC
inline constexpr u16 kElfShared = 3;      // ET_DYN
inline constexpr u16 kElfX86_64 = 62;     // EM_X86_64

inline constexpr u32 kElfLoad = 1;            // PT_LOAD
inline constexpr u32 kElfInterpreter = 3;     // PT_INTERP
inline constexpr u32 kElfStack = 0x6474e551;  // PT_GNU_STACK
inline constexpr u32 kElfFlagExecute = 1;
inline constexpr u32 kElfFlagWrite = 2;
inline constexpr u32 kElfFlagRead = 4;

enum class Auxiliary : u64 {
  kNull = 0,
  kProgramHeaders = 3,
  kProgramHeaderSize = 4,
  kProgramHeaderCount = 5,
  kPageSize = 6,
  kInterpreterBase = 7,
  kFlags = 8,
  kEntry = 9,
  kUid = 11,
  kEffectiveUid = 12,
  kGid = 13,
  kEffectiveGid = 14,
  kPlatform = 15,
  kHardwareCapabilities = 16,
  kClockTick = 17,
  kSecure = 23,
  kRandom = 25,
  kHardwareCapabilities2 = 26,
  kExecutableName = 31,
  kVdso = 33,
  kMinimumSignalStack = 51,
};

}  // namespace narwhal::abi
