#include "kernel/drivers/pci/pci.h"

namespace narwhal {
namespace {

constexpr u16 kAddressPort = 0xcf8;
constexpr u16 kDataPort = 0xcfc;
constexpr u32 kEnableBit = 1u << 31;

constexpr u8 kCommand = 0x04;
constexpr u16 kCommandMemory = 1 << 1;
constexpr u16 kCommandMaster = 1 << 2;
constexpr u16 kCommandNoInterrupt = 1 << 10;
constexpr u8 kStatus = 0x06;
constexpr u16 kStatusCapabilities = 1 << 4;
constexpr u8 kHeaderType = 0x0e;
constexpr u8 kFirstBar = 0x10;
constexpr u8 kSecondaryBus = 0x19;
constexpr u8 kCapabilityPointer = 0x34;
constexpr u8 kMsixCapability = 0x11;

void out32(u16 port, u32 value) {
  asm volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}
u32 in32(u16 port) {
  u32 value;
  asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

// Addresses for devices that the firmware gave none (qboot gives none at all on q35): from above
// the memory below 4 GiB, and above where PCs keep the memory-mapped configuration space, up to the
// first interrupt controller. Handed out upwards and never taken back; drivers start one by one.
constinit u64 next_free_address = 0;
constexpr u64 kLowestAddress = 0xc000'0000;
constexpr u64 kAddressesEnd = 0xfec0'0000;

u64 allocate_address(u64 size) {
  if (next_free_address == 0) {
    constexpr u64 kStep = 256 * kMiB;  // firmware takes its own share off the end of the memory
    next_free_address = kLowestAddress;
    for (const platform::MemoryRange& memory : platform::usable_memory()) {
      const u64 end = align_up(memory.start.value + memory.size, kStep);
      if (memory.start.value < kAddressesEnd && end > next_free_address) next_free_address = end;
    }
  }
  const u64 own_pages = size < kPageSize ? kPageSize : size;
  const u64 start = align_up(next_free_address, own_pages);
  if (size > kAddressesEnd || start + own_pages > kAddressesEnd) return 0;
  next_free_address = start + own_pages;
  return start;
}

void scan_bus(u8 bus, unsigned depth, void (*visit)(const PciFunction&, void*), void* argument) {
  constexpr unsigned kMaxDepth = 8;  // a hostile bridge may point back
  for (u8 device = 0; device < 32; ++device) {
    const PciFunction first(bus, device, 0);
    if (first.vendor() == 0xffff) continue;
    const u8 functions = first.read8(kHeaderType) & 0x80 ? 8 : 1;
    for (u8 number = 0; number < functions; ++number) {
      const PciFunction function(bus, device, number);
      if (function.vendor() == 0xffff) continue;
      const bool bridge = (function.read8(kHeaderType) & 0x7f) == 1;
      if (!bridge) {
        visit(function, argument);
      } else if (const u8 behind = function.read8(kSecondaryBus);
                 behind > bus && depth < kMaxDepth) {
        scan_bus(behind, depth + 1, visit, argument);
      }
    }
  }
}

}  // namespace

u32 PciFunction::select(u8 offset) const {
  return kEnableBit | u32(bus_) << 16 | u32(device_) << 11 | u32(function_) << 8 | (offset & 0xfc);
}
u32 PciFunction::read32(u8 offset) const {
  out32(kAddressPort, select(offset));
  return in32(kDataPort);
}
u16 PciFunction::read16(u8 offset) const {
  return u16(read32(offset) >> (offset & 2) * 8);
}
u8 PciFunction::read8(u8 offset) const {
  return u8(read32(offset) >> (offset & 3) * 8);
}
void PciFunction::write32(u8 offset, u32 value) const {
  out32(kAddressPort, select(offset));
  out32(kDataPort, value);
}
void PciFunction::write16(u8 offset, u16 value) const {
  const u32 shift = (offset & 2) * 8;
  u32 whole = read32(offset);
  // The neighbour of the command register is the status register, where writing ones clears them.
  if (offset == kCommand) whole &= 0xffff;
  write32(offset, (whole & ~(0xffffu << shift)) | u32(value) << shift);
}

void PciFunction::enable() const {
  write16(kCommand, u16(read16(kCommand) | kCommandMemory | kCommandMaster | kCommandNoInterrupt));
}

u8 PciFunction::find_capability(u8 id, u8 after) const {
  if (!(read16(kStatus) & kStatusCapabilities)) return 0;
  u8 at = after ? read8(u8(after + 1)) : read8(kCapabilityPointer);
  // At most 48 capabilities fit; more steps mean that the list is a loop.
  for (int steps = 0; at >= 0x40 && steps < 48; ++steps) {
    at &= 0xfc;
    if (read8(at) == id) return at;
    at = read8(u8(at + 1));
  }
  return 0;
}

Result<PciFunction::Bar> PciFunction::bar(u8 index) const {
  if (index > 5) return Errno::kNoDev;
  const u8 offset = u8(kFirstBar + index * 4);
  const u32 low = read32(offset);
  if (low & 1) return Errno::kNoDev;  // ports
  const bool wide = (low & 6) == 4;
  if (wide && index == 5) return Errno::kNoDev;
  const u32 high = wide ? read32(u8(offset + 4)) : 0;
  u64 address = (u64{high} << 32 | low) & ~u64{15};

  // The size is what does not stick of all ones; the device must not decode meanwhile.
  const u16 command = read16(kCommand);
  write16(kCommand, u16(command & ~kCommandMemory));
  write32(offset, ~0u);
  u64 mask = read32(offset) & ~15u;
  write32(offset, low);
  if (wide) {
    write32(u8(offset + 4), ~0u);
    mask |= u64{read32(u8(offset + 4))} << 32;
    write32(u8(offset + 4), high);
  } else {
    mask |= ~u64{0} << 32;
  }
  const u64 size = ~mask + 1;
  // Behind a bridge only what lies in the bridge's window would arrive.
  if (address == 0 && size != 0 && bus_ == 0) {
    address = allocate_address(size);
    write32(offset, u32(address) | (low & 15));
    if (wide) write32(u8(offset + 4), 0);
  }
  write16(kCommand, command);
  if (address == 0 || size == 0) return Errno::kNoDev;
  return Bar{PhysAddr(address), size};
}

Result<> PciFunction::enable_msix(platform::InterruptHandler handler, void* argument) const {
  const u8 capability = find_capability(kMsixCapability);
  if (capability == 0) return Errno::kNoDev;
  const u16 control = read16(u8(capability + 2));
  const u32 table = read32(u8(capability + 4));
  const u32 entries = (control & 0x7ff) + 1;
  const Bar where = TRY(bar(u8(table & 7)));
  const u64 offset = table & ~7u;
  if (offset + entries * 16 > where.size) return Errno::kNoDev;
  auto* vectors = reinterpret_cast<volatile u32*>(
      TRY(platform::map_device(where.address + offset, entries * 16)));
  const auto message = TRY(platform::register_message_irq(handler, argument));
  constexpr u16 kMsixEnable = 1 << 15, kMaskAll = 1 << 14;
  write16(u8(capability + 2), u16(control | kMsixEnable | kMaskAll));
  for (u32 i = 0; i < entries; ++i) {
    vectors[i * 4] = u32(message.address);
    vectors[i * 4 + 1] = u32(message.address >> 32);
    vectors[i * 4 + 2] = message.data;
    vectors[i * 4 + 3] = 0;  // not masked
  }
  write16(u8(capability + 2), u16((control | kMsixEnable) & ~kMaskAll));
  return {};
}

bool pci_scan(void (*visit)(const PciFunction& function, void* argument), void* argument) {
  // The address register reads back what was written only where there is one.
  out32(kAddressPort, kEnableBit);
  if (in32(kAddressPort) != kEnableBit) return false;
  scan_bus(0, 0, visit, argument);
  return true;
}

}  // namespace narwhal
