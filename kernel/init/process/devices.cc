#include "kernel/init/devices.h"

#include "kernel/drivers/host/host_port.h"
#include "kernel/platform/process/confine.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/layout.h"
#include "kernel/random/random.h"

namespace narwhal {
namespace {

using process_home::boot_state;

struct Port {
  std::string_view name;
  int fd;
};

}  // namespace

// The host's random numbers are all that is to be started.
void start_devices(const BootSettings&) {
  std::byte bytes[32];
  const auto got = host::random(bytes);
  if (!got.ok() || got.value() != sizeof bytes) return;
  add_entropy(bytes);
  note_good_entropy();
}

Ref<ConsolePort> host_port(std::string_view name) {
  const Port ports[] = {{"narwhal.stdin", boot_state.streams[0]},
                        {"narwhal.stdout", boot_state.streams[1]},
                        {"narwhal.stderr", boot_state.streams[2]},
                        {"narwhal.control", boot_state.control_fd}};
  for (const Port& port : ports) {
    if (port.name != name || port.fd < 0) continue;
    auto opened = open_host_port(port.name, port.fd);
    if (opened.ok()) return opened.take();
  }
  return nullptr;
}

Result<Ref<ConsolePort>> fallback_port() {
  return open_host_port("narwhal.stderr", boot_state.streams[2]);
}

void confine_kernel() {
  process_home::confine();
}

// Not here yet: kernel/platform/process/README.md.
Ref<P9Channel> shared_folder(std::string_view) {
  return nullptr;
}
Vector<Ref<NetDevice>> take_net_devices() {
  return {};
}

}  // namespace narwhal
