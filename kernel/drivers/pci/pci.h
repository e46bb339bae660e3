// PCI: finding devices, their base addresses, capabilities, and message interrupts (PCI Local
// Bus 3.0).
//
// Configuration space is reached through ports 0xcf8 and 0xcfc (mechanism 1): 256 bytes a function,
// which is all that virtio needs, and every PC-like machine has it.
#pragma once

#include "kernel/base/addr.h"
#include "kernel/base/result.h"
#include "kernel/platform/machine.h"

namespace narwhal {

class PciFunction {
 public:
  constexpr PciFunction() = default;
  constexpr PciFunction(u8 bus, u8 device, u8 function)
      : bus_(bus), device_(device), function_(function) {}

  u8 read8(u8 offset) const;
  u16 read16(u8 offset) const;
  u32 read32(u8 offset) const;
  void write16(u8 offset, u16 value) const;
  void write32(u8 offset, u32 value) const;

  u16 vendor() const { return read16(0x00); }
  u16 device_id() const { return read16(0x02); }
  // Lets it answer to memory accesses and reach memory itself; wired interrupts off.
  void enable() const;

  // Offset of the first capability with this id at or behind `after` in the list (0: from the
  // start); 0: none.
  u8 find_capability(u8 id, u8 after = 0) const;

  // A memory base address register; one without an address gets it here. ENODEV when it is not one,
  // or no address can be had.
  struct Bar {
    PhysAddr address;
    u64 size;
  };
  Result<Bar> bar(u8 index) const;

  // Routes all vectors of MSI-X to one message interrupt. ENODEV without the capability; ENOSPC.
  Result<> enable_msix(platform::InterruptHandler handler, void* argument) const;

  u8 bus() const { return bus_; }
  u8 device() const { return device_; }
  u8 function() const { return function_; }

 private:
  u32 select(u8 offset) const;
  u8 bus_ = 0, device_ = 0, function_ = 0;
};

// Calls `visit` for every function that is there, bridges followed. False when the machine has no
// PCI.
bool pci_scan(void (*visit)(const PciFunction& function, void* argument), void* argument);

}  // namespace narwhal
