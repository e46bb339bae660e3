// The processor as the reader of the programs' page tables: the current root and the TLB.
#include "kernel/platform/vm/page_tables.h"

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/platform/vm/address_space_tags.h"
#include "kernel/platform/vm/cpu.h"
#include "kernel/platform/vm/window.h"

namespace narwhal {
namespace {

// Above this many pages a whole flush is cheaper than one by one.
constexpr usize kMostSingleFlushes = 64;

constinit vm::AddressSpaceTags tags;

bool in_use_here(u64 root) {
  return (x86::read_cr3() & x86::kAddressMask) == root;
}

}  // namespace

const unsigned Pmap::kMostRunOrder = 0;

// The upper half of every root is one entry, the kernel's window.
void x86::prepare_root(u64 root) {
  const usize window = level_index(vm::boot_state.window_base, 3);
  table_at(root)[window] = table_at(vm::boot_state.root_table)[window];
}

void x86::use_root(u64 root, u64& tag) {
  if (in_use_here(root)) return;
  write_cr3(vm::cpu_features.pcid ? tags.select(tag, root) : root);
}

void x86::stop_using_root(u64 root) {
  if (in_use_here(root)) write_cr3(vm::boot_state.root_table);
}

void x86::forget_entries(u64 root, u64& tag, u64 address, usize pages) {
  if (!in_use_here(root)) {
    tag = 0;
    return;
  }
  if (pages > kMostSingleFlushes) {
    write_cr3(read_cr3());
    return;
  }
  for (usize i = 0; i < pages; ++i) invalidate_page(address + i * kPageSize);
}

// What was not there before is in no TLB.
void x86::entries_made(u64 root, u64& tag, u64 address, u64, usize pages, Protection,
                       bool replaced) {
  if (replaced) forget_entries(root, tag, address, pages);
}

}  // namespace narwhal
