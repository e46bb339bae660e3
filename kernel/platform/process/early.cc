// The first C++: runs where the host's execve put us, before relocation. So: no globals that hold
// addresses, no virtual calls, no log. It makes the memory file, reserves the window, moves the
// image there, relocates it, and goes on with narwhal_kernel_entry (start.cc).
#include <cstring>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/x86/relocate.h"

// Hidden, so that their addresses are computed and not read from a table that is not relocated yet.
#pragma GCC visibility push(hidden)
extern "C" {
extern char kernel_image_start[], kernel_image_end[];
extern char kernel_data_start[], kernel_data_end[], kernel_relro_end[], kernel_bss_start[];
extern char narwhal_boot_stack_top[];

void narwhal_kernel_entry();
[[noreturn]] void narwhal_enter_window(narwhal::u64 entry, narwhal::u64 stack);
[[noreturn]] void narwhal_early_start(const narwhal::u64* stack);
}
#pragma GCC visibility pop

namespace narwhal::process_home {

constinit BootState boot_state;
constinit char boot_command_line[kMaxCommandLine] = {};

namespace {

constexpr u64 kDefaultMemory = kGiB;
constexpr u8 kBadStart = 125;

[[noreturn]] void stop(const char* text) {
  host::write(2, std::as_bytes(std::span(text, std::strlen(text)))).ignore();
  host::exit(kBadStart);
}

// What follows `name` in a word of the command line, or null.
const char* value_of(const char* word, const char* name) {
  const usize length = std::strlen(name);
  return std::strncmp(word, name, length) == 0 ? word + length : nullptr;
}

u64 number(const char* text) {
  u64 value = 0;
  if (*text == '\0') stop("narwhal: a number is missing among the arguments\n");
  for (; *text; ++text) {
    if (*text < '0' || *text > '9' || value > ~u64{0} / 16)
      stop("narwhal: an argument is no number\n");
    value = value * 10 + u64(*text - '0');
  }
  return value;
}

void read_arguments(int count, const char* const* words) {
  BootState& boot = boot_state;
  boot.memory_size = kDefaultMemory;
  for (int i = 1; i < count; ++i) {
    const char* value;
    if ((value = value_of(words[i], "--memory-fd="))) {
      boot.memory_fd = int(number(value));
    } else if ((value = value_of(words[i], "--memory="))) {
      boot.memory_size = align_down(number(value), kLargePageSize);
    } else if ((value = value_of(words[i], "--cpus="))) {
      boot.cpus = u32(number(value));
      if (boot.cpus == 0 || boot.cpus > kMostCpus) stop("narwhal: --cpus: 1 to 16\n");
    } else if ((value = value_of(words[i], "--archive-size="))) {
      boot.archive_size = number(value);
    } else if ((value = value_of(words[i], "--stdin="))) {
      boot.streams[0] = int(number(value));
    } else if ((value = value_of(words[i], "--stdout="))) {
      boot.streams[1] = int(number(value));
    } else if ((value = value_of(words[i], "--stderr="))) {
      boot.streams[2] = int(number(value));
    } else if ((value = value_of(words[i], "--control="))) {
      boot.control_fd = int(number(value));
    } else if ((value = value_of(words[i], "--log="))) {
      boot.log_fd = int(number(value));
    } else if ((value = value_of(words[i], "--image-fd="))) {
      boot.image_fd = int(number(value));
    } else if (std::strcmp(words[i], "--debuggable") == 0) {
      boot.is_debuggable = true;
    } else if (std::strcmp(words[i], "--debuggable=wait") == 0) {
      boot.is_debuggable = boot.waits_for_debugger = true;
    } else if (std::strcmp(words[i], "--clock=host") == 0) {
      boot.uses_host_clock = true;
    } else if ((value = value_of(words[i], "--tsc-khz="))) {
      boot.tsc_khz = number(value);
    } else if ((value = value_of(words[i], "--settings="))) {
      boot.command_line_size = std::strlen(value);
      if (boot.command_line_size > kMaxCommandLine) stop("narwhal: --settings: too long\n");
      std::memcpy(boot_command_line, value, boot.command_line_size);
    } else {
      stop("narwhal: unknown argument; `narwhal run --platform process` starts this program\n");
    }
  }
}

bool settings_contain(const char* word) {
  const usize length = std::strlen(word);
  for (usize at = 0; at + length <= boot_state.command_line_size; ++at)
    if (std::memcmp(boot_command_line + at, word, length) == 0) return true;
  return false;
}

void check_processor(const u64* vector) {
  constexpr u64 kHwcap2 = 26, kFsGsBase = 2;
  u64 hwcap2 = 0;
  for (; vector[0] != 0; vector += 2)
    if (vector[0] == kHwcap2) hwcap2 = vector[1];
  if (!(hwcap2 & kFsGsBase))
    stop(
        "narwhal: the host does not let programs use FSGSBASE (Linux 5.9 or later, an x86-64 "
        "processor of 2013 or later)\n");
}

void make_memory() {
  BootState& boot = boot_state;
  if (boot.memory_fd < 0) {
    const auto made = host::make_memory_file();
    if (!made.ok()) stop("narwhal: memfd_create failed\n");
    boot.memory_fd = made.value();
    boot.archive_size = 0;
  }
  boot.data_physical = kMemoryStart + align_up(boot.archive_size, kPageSize);
  boot.data_end = boot.data_physical + u64(kernel_data_end - kernel_data_start);
  if (boot.memory_size < align_up(file_offset(boot.data_end), kLargePageSize))
    stop("narwhal: --memory: not enough for the archive and the kernel\n");
  if (boot.memory_size > kDirectMapSize - kMemoryStart) stop("narwhal: --memory: too much\n");
  if (!host::set_file_size(boot.memory_fd, boot.memory_size).ok())
    stop("narwhal: the memory file cannot be made as large as --memory says\n");
}

u64 reserve_window() {
  u64 random = 0;
  if (!settings_contain("nokaslr") &&
      !host::random(std::as_writable_bytes(std::span(&random, 1))).ok())
    random = x86::read_tsc() * 0x9e3779b97f4a7c15 >> 32;
  for (u64 i = 0; i < kWindowChoices; ++i) {
    const u64 at = kFirstWindow + (random + i) % kWindowChoices * kWindowSize;
    if (host::reserve(at, kWindowSize).ok()) return at;
  }
  stop("narwhal: no room of 512 GiB in the address space\n");
}

// ELF-64 (System V ABI): what is needed to find a segment's place in the file.
struct ElfHeader {
  u8 identification[16];
  u16 type, machine;
  u32 version;
  u64 entry, segments_at, sections_at;
  u32 flags;
  u16 size, segment_size, segment_count;
};
struct ElfSegment {
  u32 type, flags;
  u64 offset, address, physical, file_size, memory_size, alignment;
};

template <typename T>
T read_file(int fd, u64 offset) {
  T value{};
  const auto got = host::read_at(fd, std::as_writable_bytes(std::span(&value, 1)), offset);
  if (!got.ok() || got.value() != sizeof value) stop("narwhal: the kernel's file cannot be read\n");
  return value;
}

// Code and constants stay pages of the executable file, so that instances share them, and gdb and
// perf find the symbols. The rest moves into the memory file, which all processes of this kernel
// will share.
void map_image(u64 base) {
  constexpr u32 kLoad = 1, kWritable = 2;
  int file = boot_state.image_fd;
  if (file < 0) {
    const auto opened = host::open_read_only("/proc/self/exe");
    if (!opened.ok()) stop("narwhal: /proc/self/exe cannot be opened\n");
    file = opened.value();
  }
  const auto header = read_file<ElfHeader>(file, 0);
  for (u16 i = 0; i < header.segment_count; ++i) {
    const auto segment =
        read_file<ElfSegment>(file, header.segments_at + i * u64{header.segment_size});
    if (segment.type != kLoad || (segment.flags & kWritable)) continue;
    const u32 rights = u32(segment.flags & 4 ? 1 : 0) | u32(segment.flags & 1 ? 4 : 0);
    if (!host::map_private(base + segment.address, align_up(segment.memory_size, kPageSize), rights,
                           file, segment.offset)
             .ok())
      stop("narwhal: the kernel's code cannot be mapped from its file\n");
  }
  host::close(file);

  const u64 data_at = base + u64(kernel_data_start - kernel_image_start);
  const u64 data_size = u64(kernel_data_end - kernel_data_start);
  if (!host::map_shared(data_at, data_size, u32(host::Rights::kReadWrite), boot_state.memory_fd,
                        file_offset(boot_state.data_physical))
           .ok())
    stop("narwhal: the kernel's data cannot be mapped\n");
  // Of what follows, only the boot state and the command line are not zero any more.
  std::memcpy(reinterpret_cast<void*>(data_at), kernel_data_start,
              usize(kernel_bss_start - kernel_data_start));
}

}  // namespace
}  // namespace narwhal::process_home

extern "C" void narwhal_early_start(const narwhal::u64* stack) {
  using namespace narwhal;
  using namespace narwhal::process_home;
  const int count = int(stack[0]);
  const auto* words = reinterpret_cast<const char* const*>(stack + 1);
  const u64* vector = stack + 1 + count + 1;
  while (*vector != 0) ++vector;
  host::set_process_name("narwhal");  // started by descriptor, we have none
  check_processor(vector + 1);
  read_arguments(count, words);
  make_memory();

  const u64 window = reserve_window();
  boot_state.window_base = window;
  const u64 base = window + kImageOffset;
  if (!host::map_shared(window + kMemoryStart, boot_state.memory_size,
                        u32(host::Rights::kReadWrite), boot_state.memory_fd, 0)
           .ok())
    stop("narwhal: the memory file cannot be mapped\n");
  map_image(base);
  x86::relocate(base, base);

  const auto moved = [&](const void* address) {
    return base + (reinterpret_cast<u64>(address) - reinterpret_cast<u64>(kernel_image_start));
  };
  std::memcpy(reinterpret_cast<void*>(moved(&boot_state)), &boot_state, sizeof boot_state);
  std::memcpy(reinterpret_cast<void*>(moved(boot_command_line)), boot_command_line,
              boot_state.command_line_size);
  // Tables of functions, through both of their mappings.
  const u64 constant = u64(kernel_relro_end - kernel_data_start);
  if (constant != 0 &&
      (!host::protect(moved(kernel_data_start), constant, u32(host::Rights::kRead)).ok() ||
       !host::protect(window + boot_state.data_physical, constant, u32(host::Rights::kRead)).ok()))
    stop("narwhal: the kernel's constants cannot be protected\n");
  narwhal_enter_window(moved(reinterpret_cast<const void*>(&narwhal_kernel_entry)),
                       moved(narwhal_boot_stack_top));
}
