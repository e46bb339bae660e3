// Time from the time-stamp counter, wall-clock time from the battery-backed clock.
#pragma once

namespace narwhal::vm {
// Measures the time-stamp counter and the APIC timer. Needs apic_init().
void time_init();
// The part of it that each further CPU does for itself.
void time_init_further_cpu();
}  // namespace narwhal::vm
