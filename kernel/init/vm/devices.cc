#include "kernel/init/devices.h"

#include "kernel/drivers/uart/uart_port.h"
#include "kernel/drivers/virtio/block.h"
#include "kernel/drivers/virtio/console.h"
#include "kernel/drivers/virtio/discovery.h"
#include "kernel/drivers/virtio/entropy.h"
#include "kernel/drivers/virtio/net/net.h"
#include "kernel/drivers/virtio/p9.h"
#include "kernel/random/random.h"

namespace narwhal {
namespace {

constinit bool console_found = false;
[[clang::no_destroy]] constinit Vector<Ref<NetDevice>> net_devices;
[[clang::no_destroy]] constinit Vector<Ref<BlockDevice>> block_devices;

Result<> start_net(Ref<VirtioTransport> transport) {
  return net_devices.push_back(TRY(start_virtio_net(std::move(transport))));
}

Result<> start_block(Ref<VirtioTransport> transport) {
  return block_devices.push_back(TRY(start_virtio_block(std::move(transport))));
}

Result<> start_console(Ref<VirtioTransport> transport) {
  TRY(start_virtio_console(std::move(transport)));
  console_found = true;
  return {};
}

struct Driver {
  VirtioDevice type;
  const char* name;
  Result<> (*start)(Ref<VirtioTransport> transport);
};
constexpr Driver kDrivers[] = {
    {VirtioDevice::kNet, "virtio network card", start_net},
    {VirtioDevice::kBlock, "virtio disk", start_block},
    {VirtioDevice::kConsole, "virtio console", start_console},
    {VirtioDevice::k9p, "virtio shared folder", start_virtio_p9},
    {VirtioDevice::kEntropy, "virtio entropy device", start_virtio_entropy},
};

void found(Ref<VirtioTransport> transport) {
  const VirtioDevice type = transport->device_type();
  for (const Driver& driver : kDrivers) {
    if (driver.type != type) continue;
    if (auto started = driver.start(std::move(transport)); !started.ok())
      LOG_ERROR("a " << driver.name << " could not be started: " << started.error());
    return;
  }
  LOG_INFO("a virtio device of type " << u32(type) << " has no driver and is left alone");
}

// The host's own random bytes, if it offers them.
void seed_from_device() {
  constexpr u64 kPatience = 20 * kNanosPerMilli;
  std::byte bytes[32];
  const usize got = virtio_entropy(bytes, platform::monotonic_ns() + kPatience);
  add_entropy({bytes, got});
  if (got == sizeof bytes) note_good_entropy();
}

}  // namespace

void start_devices(const BootSettings& settings) {
  for (std::string_view setting : settings.mmio_devices)
    if (auto looked = discover_virtio_mmio(setting, found); !looked.ok())
      LOG_ERROR("boot setting 'virtio_mmio.device=" << setting << "': expected SIZE@BASE:IRQ");
  discover_virtio_pci(found);
  seed_from_device();
}

Ref<ConsolePort> host_port(std::string_view name) {
  constexpr u64 kPatience = 2 * kNanosPerSecond;
  if (!console_found) return nullptr;
  auto port = find_console_port(name, platform::monotonic_ns() + kPatience);
  if (port.ok()) return port.take();
  LOG_WARN("the host offers no port '" << name << "'");
  return nullptr;
}

// The serial port.
Result<Ref<ConsolePort>> fallback_port() {
  return open_uart_port();
}

void confine_kernel() {}

Ref<P9Channel> shared_folder(std::string_view tag) {
  return find_p9_channel(tag);
}

Vector<Ref<BlockDevice>> take_block_devices() {
  return std::move(block_devices);
}

Vector<Ref<NetDevice>> take_net_devices() {
  return std::move(net_devices);
}

}  // namespace narwhal
