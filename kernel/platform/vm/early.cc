// The first C++: runs at physical addresses with the first GiB mapped at 0, before relocation. So:
// no globals that hold addresses, no virtual calls, no logging. It builds the kernel's window,
// relocates the image for it, and goes on there with narwhal_kernel_entry (start.cc).
#include <cstring>

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/arch/x86_64/msr.h"
#include "kernel/arch/x86_64/page_table.h"
#include "kernel/platform/vm/pvh.h"
#include "kernel/platform/vm/window.h"
#include "kernel/platform/x86/relocate.h"

extern "C" {
extern char kernel_image_start[], kernel_image_end[];
extern char kernel_text_start[], kernel_text_end[];
extern char kernel_data_start[], kernel_data_end[], kernel_relro_end[];
extern char kernel_rodata_start[], kernel_rodata_end[];
extern char boot_stack_top[];

void narwhal_kernel_entry();
[[noreturn]] void narwhal_enter_window(narwhal::u64 entry, narwhal::u64 stack);
[[noreturn]] void narwhal_early_boot(narwhal::u64 start_info);
}

namespace narwhal::vm {

constinit BootState boot_state;

namespace {

using x86::PageTable;

// The identity mapping reaches this far.
constexpr u64 kReachable = kGiB;

[[noreturn]] void stop(const char* text) {
  for (; *text; ++text) x86::out8(0x3f8, u8(*text));
  x86::out8(0x501, 0x7f);
  for (;;) asm volatile("hlt");
}

// Takes zeroed pages from behind the image. The loader puts archives and tables at the top of low
// memory, far away.
struct PageSource {
  u64 next;
  u64 end;
  u64 take() {
    if (next + kPageSize > end)
      stop("narwhal: no memory for boot page tables behind the kernel image\n");
    auto* page = reinterpret_cast<void*>(next);
    next += kPageSize;
    std::memset(page, 0, kPageSize);
    return reinterpret_cast<u64>(page);
  }
};

u64* table_at(u64 physical) {
  return reinterpret_cast<u64*>(physical);
}

// The entry for `address` at `level`, with tables made on the way.
u64& entry_for(u64 root, u64 address, unsigned level, PageSource& pages) {
  u64 table = root;
  for (unsigned at = 3; at > level; --at) {
    u64& entry = table_at(table)[x86::level_index(address, at)];
    if (!(entry & x86::kPresent)) entry = pages.take() | x86::kPresent | x86::kWritable;
    table = entry & x86::kAddressMask;
  }
  return table_at(table)[x86::level_index(address, level)];
}

void map_pages(u64 root, u64 virt, u64 phys, u64 size, u64 rights, PageSource& pages) {
  for (u64 at = 0; at < size; at += kPageSize)
    entry_for(root, virt + at, 0, pages) = (phys + at) | rights | x86::kPresent | x86::kGlobal;
}

// RAM that the loader tells of, in pages of 2 MiB, or of 1 GiB where the CPU has them.
void map_ram(u64 root, u64 window, const PvhStartInfo& info, PageSource& pages) {
  const bool has_gigabyte_pages = x86::cpuid(0x80000001).edx >> 26 & 1;
  constexpr u64 kRights =
      x86::kPresent | x86::kWritable | x86::kNoExecute | x86::kLarge | x86::kGlobal;
  const auto* ranges = reinterpret_cast<const PvhMemoryRange*>(info.memory_map);
  for (u32 i = 0; i < info.memory_map_count; ++i) {
    if (ranges[i].type != kPvhMemoryRam) continue;
    u64 at = align_down(ranges[i].address, kLargePageSize);
    u64 end = align_up(ranges[i].address + ranges[i].size, kLargePageSize);
    if (end > kDirectMapSize) end = kDirectMapSize;
    while (at < end) {
      const u64 to = window + kDirectMapOffset + at;
      unsigned level = has_gigabyte_pages && is_aligned(at, kGiB) && end - at >= kGiB ? 2 : 1;
      // A range before this one may have begun the gigabyte with small pages.
      const u64 begun = level == 2 ? entry_for(root, to, 2, pages) : 0;
      if ((begun & x86::kPresent) && !(begun & x86::kLarge)) level = 1;
      u64& entry = entry_for(root, to, level, pages);
      if (!(entry & x86::kPresent)) entry = at | kRights;
      at += x86::level_size(level);
    }
  }
}

// Takes the right to write from the direct map's view of [start, end): what the image's own mapping
// protects, no stray write may reach the other way round. Large pages are split where they hold it.
void protect_alias(u64 root, u64 window, u64 start, u64 end, PageSource& pages) {
  for (u64 at = start; at < end; at += kPageSize) {
    const u64 to = window + kDirectMapOffset + at;
    for (unsigned level = 2; level > 0; --level) {
      u64& entry = entry_for(root, to, level, pages);
      if (!(entry & x86::kPresent) || !(entry & x86::kLarge)) continue;
      const u64 table = pages.take();
      const u64 size = x86::level_size(level - 1);
      u64 piece = level == 1 ? entry & ~x86::kLarge : entry;  // at the lowest level the bit is PAT
      for (usize i = 0; i < x86::kEntries; ++i, piece += size) table_at(table)[i] = piece;
      entry = table | x86::kPresent | x86::kWritable;
    }
    entry_for(root, to, 0, pages) &= ~x86::kWritable;
  }
}

bool words_contain(const char* text, const char* word) {
  const usize length = std::strlen(word);
  for (; *text; ++text)
    if (std::memcmp(text, word, length) == 0) return true;
  return false;
}

u64 choose_window(const PvhStartInfo& info) {
  constexpr u64
      kFirst = 256,
      kCount = 255;  // the last entry stays free: pointers near the top are error codes elsewhere
  u64 random = x86::read_tsc() * 0x9e3779b97f4a7c15 >> 32;
  if (x86::cpuid(1).ecx >> 30 & 1) {
    u64 value;
    bool ok;
    asm volatile("rdrand %0" : "=r"(value), "=@ccc"(ok));
    if (ok) random ^= value;
  }
  const auto* line = reinterpret_cast<const char*>(info.command_line);
  if (line && info.command_line < kReachable && words_contain(line, "nokaslr")) random = 0;
  const u64 index = kFirst + random % kCount;
  return index << 39 | 0xffff'0000'0000'0000;
}

}  // namespace
}  // namespace narwhal::vm

extern "C" void narwhal_early_boot(narwhal::u64 start_info) {
  using namespace narwhal;
  using namespace narwhal::vm;

  const auto& info = *reinterpret_cast<const PvhStartInfo*>(start_info);
  if (info.magic != kPvhMagic || info.version < 1 || info.memory_map >= kReachable)
    stop(
        "narwhal: started without a PVH memory map; use QEMU's -kernel or a loader that speaks PVH "
        "version 1\n");

  const u64 image = reinterpret_cast<u64>(kernel_image_start);
  const u64 image_end = reinterpret_cast<u64>(kernel_image_end);
  PageSource pages{align_up(image_end, kPageSize), kReachable};
  const u64 root = pages.take();
  const u64 window = choose_window(info);
  const u64 base = window + kImageOffset;

  map_ram(root, window, info, pages);
  const auto map_section = [&](const char* start, const char* end, u64 rights) {
    const u64 from = reinterpret_cast<u64>(start), to = reinterpret_cast<u64>(end);
    map_pages(root, base + (from - image), from, to - from, rights, pages);
    if (!(rights & x86::kWritable)) protect_alias(root, window, from, to, pages);
  };
  map_section(kernel_text_start, kernel_text_end, 0);
  map_section(kernel_data_start, kernel_relro_end, x86::kNoExecute);
  map_section(kernel_relro_end, kernel_data_end, x86::kWritable | x86::kNoExecute);
  map_section(kernel_rodata_start, kernel_rodata_end, x86::kNoExecute);

  // The identity mapping stays until we run in the window.
  table_at(root)[0] = table_at(x86::read_cr3())[0];

  x86::relocate(image, base);
  boot_state.window_base = window;
  boot_state.image_physical = image;
  boot_state.start_info = start_info;
  boot_state.root_table = root;
  boot_state.first_free = pages.next;

  x86::write_cr3(root);
  const u64 entry = base + (reinterpret_cast<u64>(&narwhal_kernel_entry) - image);
  const u64 stack = base + (reinterpret_cast<u64>(boot_stack_top) - image);
  narwhal_enter_window(entry, stack);
}
