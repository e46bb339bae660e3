// Tables by which the machine's firmware describes it (ACPI 6.4, section 5.2).
#pragma once

#include <span>

#include "kernel/base/types.h"

namespace narwhal::vm {

// The table with that signature ("APIC", "FACP"), header included; empty when there is none.
std::span<const std::byte> acpi_table(const char* signature);
// The one at a physical address that another table names; empty at 0 or if it is none.
std::span<const std::byte> acpi_table_at(u64 address);

}  // namespace narwhal::vm
