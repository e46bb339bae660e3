// The processor as the reader of the programs' page tables: the current root and the TLB.
#include "kernel/platform/vm/page_tables.h"

#include "kernel/arch/x86_64/instructions.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/vm/address_space_tags.h"
#include "kernel/platform/vm/cpu.h"
#include "kernel/platform/vm/processors_state.h"
#include "kernel/platform/vm/translation_slots.h"
#include "kernel/platform/vm/window.h"

namespace narwhal {
namespace {

// Above this many pages a whole flush is cheaper than one by one.
constexpr usize kMostSingleFlushes = 64;

constinit vm::AddressSpaceTags tags;  // while there is one CPU
// With several, a tag is an address space's name in translation_slots.h.
constinit vm::TranslationSlots slots[vm::kMaxProcessors] = {};
constinit u64 names_given = 0;

bool in_use_here(u64 root) {
  return (x86::read_cr3() & x86::kAddressMask) == root;
}

}  // namespace

const unsigned Pmap::kMostRunOrder = 0;

void Pmap::prepare_large(PhysAddr) {}

Pmap::KeptRange Pmap::kept() {
  return {};
}

// The upper half of every root is one entry, the kernel's window.
void x86::prepare_root(u64 root) {
  const usize window = level_index(vm::boot_state.window_base, 3);
  table_at(root)[window] = table_at(vm::boot_state.root_table)[window];
}

void x86::use_root(u64 root, u64& tag) {
  if (in_use_here(root)) return;
  if (!vm::many_cpus()) {
    write_cr3(vm::cpu_features.pcid ? tags.select(tag, root) : root);
    return;
  }
  vm::note_root(root);
  if (!vm::cpu_features.pcid) {
    write_cr3(root);
    return;
  }
  if (tag == 0) tag = ++names_given;
  const auto slot = slots[cpu_local().index].select(tag);
  write_cr3(root | slot.number | (slot.keep ? vm::AddressSpaceTags::kKeepTranslations : 0));
}

void x86::stop_using_root(u64 root) {
  if (!in_use_here(root)) return;
  write_cr3(vm::boot_state.root_table);
  if (vm::many_cpus()) vm::note_root(vm::boot_state.root_table);
}

void vm::flush_here(u64 address, usize pages) {
  if (pages > kMostSingleFlushes) {
    x86::write_cr3(x86::read_cr3());
    return;
  }
  for (usize i = 0; i < pages; ++i) x86::invalidate_page(address + i * kPageSize);
}

void x86::forget_entries(u64 root, u64& tag, u64 address, usize pages) {
  const bool here = in_use_here(root);
  if (!vm::many_cpus()) {
    if (here)
      vm::flush_here(address, pages);
    else
      tag = 0;
    return;
  }
  tag = ++names_given;
  bool elsewhere = false;
  for (u32 cpu = 0; cpu < platform::cpu_count(); ++cpu)
    if (vm::root_of(cpu) == root) {
      slots[cpu].rename_current(tag);
      elsewhere |= cpu != cpu_local().index;
    }
  if (here) vm::flush_here(address, pages);
  if (elsewhere) vm::flush_elsewhere(root, address, pages);
}

// What was not there before is in no TLB.
void x86::entries_made(u64 root, u64& tag, u64 address, u64, usize pages, Protection,
                       bool replaced) {
  if (replaced) forget_entries(root, tag, address, pages);
}

}  // namespace narwhal
