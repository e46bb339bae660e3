// Where the kernel goes on once it runs in its window, relocated, on the boot stack: makes the
// platform work, then hands over to kernel/init.
#include "kernel/arch/x86_64/instructions.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/process/cpu.h"
#include "kernel/platform/process/time.h"
#include "kernel/platform/x86/fpu.h"

// kernel/init: frames are ready, interrupts off.
extern "C" [[noreturn]] void narwhal_kernel_main();

extern "C" void narwhal_kernel_entry() {
  using namespace narwhal;
  process_home::cpu_init();
  process_home::clear_program_half();
  // The host has chosen what the processor saves; we take what we know of that.
  u64 components = x86::fpu_wanted_components();
  if (components != 0) components &= x86::read_xcr0();
  x86::fpu_init(components);
  frames_init();
  process_home::time_init();
  process_home::dispatch_system_calls();
  narwhal_kernel_main();
}
