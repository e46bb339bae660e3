// What only the vm home has: its window's page tables, protection of the program's memory from the
// kernel.
#include "kernel/arch/x86_64/instructions.h"
#include "kernel/platform/selftest/calls.h"
#include "kernel/platform/selftest/selftest.h"
#include "kernel/platform/vm/page_tables.h"
#include "kernel/platform/vm/window.h"

extern "C" char kernel_text_start[], kernel_text_end[], kernel_data_start[], kernel_relro_end[],
    kernel_data_end[], kernel_rodata_start[], kernel_rodata_end[];

namespace narwhal::selftest {

namespace {

u64 entry_of(const void* address) {
  u64 table = vm::boot_state.root_table;
  for (unsigned level = 3;; --level) {
    const u64 entry = vm::table_at(table)[x86::level_index(reinterpret_cast<u64>(address), level)];
    if (!(entry & x86::kPresent) || level == 0 || (entry & x86::kLarge)) return entry;
    table = entry & x86::kAddressMask;
  }
}

struct Counts {
  u64 pages = 0;
  u64 executable = 0;
};
// No page of the kernel's may be both written and executed, and none belongs to the program.
void walk(u64 table, unsigned level, Counts& counts) {
  for (usize i = 0; i < x86::kEntries; ++i) {
    const u64 entry = vm::table_at(table)[i];
    if (!(entry & x86::kPresent)) continue;
    if (level > 0 && !(entry & x86::kLarge)) {
      walk(entry & x86::kAddressMask, level - 1, counts);
      continue;
    }
    ++counts.pages;
    CHECK(!(entry & x86::kUser));
    CHECK(!(entry & x86::kWritable) || (entry & x86::kNoExecute));
    if (!(entry & x86::kNoExecute)) ++counts.executable;
  }
}

void check_rights(const char* start, const char* end, bool writable, bool executable) {
  for (const char* at = start; at < end; at += kPageSize) {
    const u64 entry = entry_of(at);
    CHECK(entry & x86::kPresent);
    CHECK(((entry & x86::kWritable) != 0) == writable);
    CHECK(((entry & x86::kNoExecute) == 0) == executable);
    // The direct map's view of code and constants is not writable either.
    if (!writable) {
      const u64 alias = entry_of(platform::direct_map(PhysAddr(entry & x86::kAddressMask)));
      CHECK(!(alias & x86::kWritable));
    }
  }
}

}  // namespace

bool kernel_can_read(const void* address) {
  return entry_of(address) & x86::kPresent;
}

void test_home() {
  CHECK(vm::table_at(vm::boot_state.root_table)[0] == 0);

  Counts counts;
  walk(vm::boot_state.root_table, 3, counts);
  CHECK(counts.executable == u64(kernel_text_end - kernel_text_start) / kPageSize);
  check_rights(kernel_text_start, kernel_text_end, false, true);
  check_rights(kernel_data_start, kernel_relro_end, false, false);
  check_rights(kernel_relro_end, kernel_data_end, true, false);
  check_rights(kernel_rodata_start, kernel_rodata_end, false, false);
}

void end_as_asked() {
  if (asked_for("smap")) checks += *reinterpret_cast<volatile u8*>(USER_STACK_BOTTOM);
  if (asked_for("smep")) reinterpret_cast<void (*)()>(USER_CODE)();
}

}  // namespace narwhal::selftest
