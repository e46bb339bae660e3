// Where the kernel goes on once it runs in its window, relocated, on the boot stack: makes the
// platform work, then hands over to kernel/init.
#include "kernel/arch/x86_64/instructions.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/platform/vm/apic.h"
#include "kernel/platform/vm/cpu.h"
#include "kernel/platform/vm/memory_map.h"
#include "kernel/platform/vm/page_tables.h"
#include "kernel/platform/vm/time.h"
#include "kernel/platform/vm/window.h"
#include "kernel/platform/x86/fpu.h"

// kernel/init: frames are ready, interrupts off.
extern "C" [[noreturn]] void narwhal_kernel_main();

extern "C" void narwhal_kernel_entry() {
  using namespace narwhal;
  vm::cpu_init();
  // From here on nothing is mapped below the window but by programs.
  vm::table_at(vm::boot_state.root_table)[0] = 0;
  x86::write_cr3(vm::boot_state.root_table);
  const u64 components = x86::fpu_wanted_components();
  if (components != 0) x86::write_xcr0(components);
  x86::fpu_init(components);
  vm::memory_map_init();
  frames_init();
  vm::apic_init();
  vm::time_init();
  narwhal_kernel_main();
}
