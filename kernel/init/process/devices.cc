#include "kernel/init/devices.h"

#include "kernel/base/log.h"
#include "kernel/drivers/host/disk.h"
#include "kernel/drivers/host/host_port.h"
#include "kernel/drivers/host/net/stream_net.h"
#include "kernel/drivers/host/net/tap.h"
#include "kernel/drivers/host/p9.h"
#include "kernel/platform/process/confine.h"
#include "kernel/platform/process/direct_calls.h"
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

[[clang::no_destroy]] constinit Vector<Ref<NetDevice>> net_devices;
[[clang::no_destroy]] constinit Vector<Ref<BlockDevice>> block_devices;

// What the setting says of a device: "tap,fd=5,fd=6,mtu=1500".
struct Description {
  std::string_view kind;
  std::string_view tag;
  int fds[process_home::kMostCpus] = {};  // several: of queues
  usize fd_count = 0;
  u32 mtu = 1500;
  u64 sectors = 0;
  bool read_only = false;
  std::string_view serial;
};

template <typename Number>
bool take_number(std::string_view text, Number most, Number& out) {
  out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || out > most / 10) return false;
    out = out * 10 + Number(c - '0');
  }
  return !text.empty() && out <= most;
}

// The text's beginning, up to a separator that goes with it.
std::string_view take_until(std::string_view& text, char separator) {
  const usize end = text.find(separator);
  const auto part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

bool take_descriptor(std::string_view text, Description& out) {
  constexpr u32 kMostDescriptor = 1 << 20;
  u32 fd;
  if (out.fd_count == std::size(out.fds) || !take_number(text, kMostDescriptor, fd)) return false;
  out.fds[out.fd_count++] = int(fd);
  return true;
}

bool parse(std::string_view text, Description& out) {
  constexpr u32 kMostMtu = 65521;  // a frame's length fits 16 bits
  constexpr u64 kMostSectors = ~u64{0} >> 10;
  out.kind = take_until(text, ',');
  while (!text.empty()) {
    auto value = take_until(text, ',');
    const auto name = take_until(value, '=');
    const bool good = name == "fd"        ? take_descriptor(value, out)
                      : name == "mtu"     ? take_number(value, kMostMtu, out.mtu)
                      : name == "tag"     ? (out.tag = value, !value.empty())
                      : name == "sectors" ? take_number(value, kMostSectors, out.sectors)
                      : name == "mode"    ? (out.read_only = value == "ro", true)
                      : name == "serial"  ? (out.serial = value, true)
                                          : false;
    if (!good) return false;
  }
  return out.fd_count == 1 || (out.fd_count > 1 && out.kind == "tap");
}

Result<> start(const Description& device) {
  const std::span<const int> fds(device.fds, device.fd_count);
  const int fd = fds[0];
  if (device.kind == "tap")
    TRY(net_devices.push_back(TRY(start_tap(fds, device.mtu))));
  else if (device.kind == "stream")
    TRY(net_devices.push_back(TRY(start_stream_net(fd, device.mtu))));
  else if (device.kind == "disk")
    TRY(block_devices.push_back(
        TRY(start_host_disk(fd, device.sectors, device.read_only, device.serial))));
  else if (device.kind == "9p")
    TRY(start_host_p9(fd, device.tag));
  else
    return Errno::kNoDev;
  for (const int each : fds) process_home::grant(each);
  return {};
}

void seed() {
  std::byte bytes[32];
  const auto got = host::random(bytes);
  if (!got.ok() || got.value() != sizeof bytes) return;
  add_entropy(bytes);
  note_good_entropy();
}

}  // namespace

void start_devices(const BootSettings& settings) {
  for (const std::string_view setting : settings.host_devices) {
    Description device;
    const auto started = parse(setting, device) ? start(device) : Result<>(Errno::kInval);
    if (!started.ok()) LOG_ERROR("boot setting 'device=" << setting << "': " << started.error());
  }
  seed();
  if (settings.rewrite_calls) process_home::start_rewriting();
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
