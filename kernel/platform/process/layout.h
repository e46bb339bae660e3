// The kernel's window in this home: 512 GiB of the program's half, chosen at start
// (docs/decisions/0040). Inside it things lie as in the vm home's window.
#pragma once

#include "kernel/base/addr.h"

namespace narwhal::process_home {

inline constexpr u64 kDirectMapSize = 256 * kGiB;
// The physical address of the memory file's first byte: address 0 means "none" to the kernel, and
// the archive begins with the file.
inline constexpr u64 kMemoryStart = kLargePageSize;
constexpr u64 file_offset(u64 physical) {
  return physical - kMemoryStart;
}
inline constexpr u64 kImageOffset = 256 * kGiB;
inline constexpr u64 kStacksOffset = 320 * kGiB;
inline constexpr u64 kStacksSize = 32 * kGiB;
// Private memory of the maker (maker.h), and of nobody else.
inline constexpr u64 kMakerOffset = 448 * kGiB;
inline constexpr u64 kWindowSize = 512 * kGiB;

// Where windows may begin: a part of the address space that no program asks for by number. The
// sanitizers' maps, which name most of it, call it invalid or leave it out (compiler-rt's
// msan.h, tsan_platform.h, asan_mapping.h).
inline constexpr u64 kFirstWindow = 0x6200'0000'0000;
inline constexpr u64 kWindowChoices = 28;

inline constexpr usize kMostCpus = 16;

inline constexpr usize kMaxCommandLine = 16384;

// What start.cc leaves for the rest. Descriptors are -1 where there is none.
struct BootState {
  u64 window_base = 0;
  u64 data_physical = 0;         // where the image's writable part lies in the memory file
  u64 data_end = 0;              // its end, page-aligned
  u64 memory_size = 0;           // of the file
  u64 archive_size = 0;          // the archive is the memory file's beginning
  u32 cpus = 1;                  // that are wanted
  bool uses_host_clock = false;  // the time-stamp counter is none
  u64 tsc_khz = 0;               // as whoever started us measured it; 0: unknown
  int memory_fd = -1;
  int streams[3] = {0, 1, 2};
  int control_fd = -1;
  int log_fd = 2;
  int image_fd = -1;           // this executable; -1: /proc/self/exe is
  bool is_debuggable = false;  // gdb and perf of the same user may look into this process
  bool waits_for_debugger = false;
  usize command_line_size = 0;  // of boot_command_line
};
extern BootState boot_state;
extern char boot_command_line[kMaxCommandLine];

inline bool in_window(u64 address) {
  return address - boot_state.window_base < kWindowSize;
}
inline u64 window_end() {
  return boot_state.window_base + kWindowSize;
}

}  // namespace narwhal::process_home
