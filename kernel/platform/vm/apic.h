// The interrupt controllers: a local APIC for each CPU, I/O APICs for wired lines (Intel SDM vol.
// 3, chapter 10; 82093AA).
#pragma once

#include "kernel/base/types.h"

namespace narwhal::vm {

// Masks the old 8259s, turns on the local APIC, finds the I/O APICs. Needs device mappings.
void apic_init();
void end_of_interrupt();

// The one-shot timer in ticks of its own clock; 0 stops it.
void apic_timer_start(u32 ticks);
u32 apic_timer_remaining();
// Its interrupt by the time-stamp counter, where the CPU can.
void apic_use_tsc_deadline();

}  // namespace narwhal::vm
