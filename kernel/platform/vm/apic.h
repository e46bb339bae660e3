// The interrupt controllers: a local APIC for each CPU, I/O APICs for wired lines (Intel SDM vol.
// 3, chapter 10; 82093AA).
#pragma once

#include "kernel/base/types.h"

namespace narwhal::vm {

// Masks the old 8259s, turns on the local APIC, finds the I/O APICs. Needs device mappings.
void apic_init();
// Turns on the local APIC of a further CPU.
void apic_init_further_cpu();
// The number of this CPU's local APIC.
u32 apic_id();
// The three messages that make another CPU do something: begin anew, run from a page below 1 MiB,
// take an interrupt.
void apic_send_init(u32 to);
void apic_send_start(u32 to, u8 page);
void apic_send_interrupt(u32 to, u8 vector);
void end_of_interrupt();

// The one-shot timer in ticks of its own clock; 0 stops it.
void apic_timer_start(u32 ticks);
u32 apic_timer_remaining();
// Its interrupt by the time-stamp counter, where the CPU can.
void apic_use_tsc_deadline();

}  // namespace narwhal::vm
