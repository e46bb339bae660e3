#include "kernel/drivers/virtio/discovery.h"

#include "kernel/base/log.h"
#include "kernel/drivers/virtio/mmio.h"
#include "kernel/drivers/virtio/pci.h"

namespace narwhal {
namespace {

// Takes a number off the front of `text`. EINVAL when there is none, or it does not fit.
Result<u64> take_number(std::string_view& text) {
  unsigned base = 10;
  if (text.starts_with("0x")) {
    base = 16;
    text.remove_prefix(2);
  }
  u64 value = 0;
  usize digits = 0;
  for (; digits < text.size(); ++digits) {
    const char c = text[digits];
    unsigned digit = c >= '0' && c <= '9'   ? unsigned(c - '0')
                     : c >= 'a' && c <= 'f' ? unsigned(c - 'a' + 10)
                                            : 99;
    if (digit >= base) break;
    if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value))
      return Errno::kInval;
  }
  if (digits == 0) return Errno::kInval;
  text.remove_prefix(digits);
  return value;
}

}  // namespace

Result<MmioDeviceSetting> parse_mmio_device(std::string_view text) {
  MmioDeviceSetting setting{};
  setting.size = TRY(take_number(text));
  if (!text.empty() && text[0] != '@') {
    const usize unit = text[0] == 'K' ? kKiB : text[0] == 'M' ? kMiB : text[0] == 'G' ? kGiB : 0;
    if (unit == 0 || __builtin_mul_overflow(setting.size, unit, &setting.size))
      return Errno::kInval;
    text.remove_prefix(1);
  }
  if (!text.starts_with('@')) return Errno::kInval;
  text.remove_prefix(1);
  setting.base = PhysAddr(TRY(take_number(text)));
  if (!text.starts_with(':')) return Errno::kInval;
  text.remove_prefix(1);
  const u64 irq = TRY(take_number(text));
  // A device id may follow (Linux: ":<id>"); it names nothing that we use.
  if (!text.empty() && !text.starts_with(':')) return Errno::kInval;
  if (irq > 255 || setting.size == 0 || !is_aligned(setting.base.value, 4)) return Errno::kInval;
  setting.irq = u32(irq);
  return setting;
}

Result<> discover_virtio_mmio(std::string_view text, VirtioFound found) {
  const auto setting = TRY(parse_mmio_device(text));
  auto transport = probe_virtio_mmio(setting.base, setting.size, setting.irq);
  if (transport.ok()) {
    found(transport.take());
    return {};
  }
  // An empty slot is no error: QEMU's microvm names all of its slots.
  return transport.failed(Errno::kNoDev) ? Result<>() : Result<>(transport.error());
}

void discover_virtio_pci(VirtioFound found) {
  pci_scan(
      [](const PciFunction& function, void* argument) {
        if (!is_virtio_pci(function)) return;
        auto transport = probe_virtio_pci(function);
        if (transport.ok())
          reinterpret_cast<VirtioFound>(argument)(transport.take());
        else
          LOG_ERROR("the virtio device at pci " << hex_digits(function.bus(), 2) << ':'
                                                << hex_digits(function.device(), 2)
                                                << " cannot be used: " << transport.error());
      },
      reinterpret_cast<void*>(found));
}

}  // namespace narwhal
