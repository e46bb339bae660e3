#include "tools/narwhal/host_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

#include "tools/base/error.h"
#include "tools/narwhal/channels.h"

namespace narwhal::tools {

namespace {

constexpr unsigned kTapMtu = 1500;
// What fits into passt's frames: it gives the same by DHCP.
constexpr unsigned kPasstMtu = 65520;

[[noreturn]] void fail_tap(const std::string& name, int error) {
  switch (error) {
    case ENOENT:
    case ENODEV:
      fail("--net tap:{}: this machine has no /dev/net/tun (modprobe tun makes it)", name);
    case EPERM:
    case EACCES:
      fail(
          "--net tap:{}: not allowed; have root make the device for you (ip tuntap add {} mode tap "
          "user $USER), or use --net user",
          name, name);
    case EBUSY:
      fail("--net tap:{}: somebody else uses it", name);
    default:
      fail("--net tap:{}: {}", name, strerror(error));
  }
}

bool attach(int fd, const std::string& name, int more_flags) {
  ifreq request = {};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | more_flags);
  return ioctl(fd, TUNSETIFF, &request) == 0;
}

// All that a helper printed, but for what says nothing.
std::string last_words(UniqueFd from) {
  std::string text;
  char bytes[4096];
  pollfd polled = {from.get(), POLLIN, 0};
  while (poll(&polled, 1, 1000) > 0) {
    const ssize_t got = read(from.get(), bytes, sizeof bytes);
    if (got <= 0) break;
    text.append(bytes, static_cast<size_t>(got));
  }
  std::string words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.empty() || line.starts_with("Failed to send ") ||
        line.starts_with("Don't run as root"))
      continue;
    words += (words.empty() ? "" : "; ") + line;
  }
  return words;
}

// passt drops what does not fit into its socket, and never sends a SYN again: a client would be
// reset after ten seconds where the guest was off its processor while a hundred frames came, each
// of which takes up 2 KiB. Some hosts grant less of it to users.
void let_wait(int socket) {
  constexpr int kMost = 4 << 20;
  if (setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &kMost, sizeof kMost) != 0)
    setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &kMost, sizeof kMost);
}

}  // namespace

void HostDevices::add(UniqueFd fd, const std::string& kind, const std::string& more) {
  std::vector<UniqueFd> one;
  one.push_back(std::move(fd));
  add(std::move(one), kind, more);
}

void HostDevices::add(std::vector<UniqueFd> queues, const std::string& kind,
                      const std::string& more) {
  std::string setting = kind;
  for (UniqueFd& fd : queues) {
    setting += fmt::format(",fd={}", fd.get());
    descriptors_.push_back(std::move(fd));
  }
  settings_.push_back(fmt::format("{},{}", setting, more));
}

std::vector<int> HostDevices::descriptors() const {
  std::vector<int> all;
  for (const UniqueFd& fd : descriptors_) all.push_back(fd.get());
  return all;
}

size_t HostDevices::add_tap(const std::string& name, size_t queues) {
  std::vector<UniqueFd> fds;
  // Made for one queue or for several, a device is only to be had as what it is.
  bool has_several = queues > 1;
  do {
    UniqueFd fd(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd) fail_tap(name, errno);
    bool attached = attach(fd.get(), name, has_several ? IFF_MULTI_QUEUE : 0);
    if (!attached && errno == EINVAL && fds.empty()) {
      attached = attach(fd.get(), name, has_several ? 0 : IFF_MULTI_QUEUE);
      if (attached) has_several = !has_several;
    }
    if (!attached && !fds.empty()) break;          // it has no more
    const int header_size = sizeof(uint16_t) * 6;  // struct virtio_net_hdr_v1
    const unsigned long offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (!attached || ioctl(fd.get(), TUNSETVNETHDRSZ, &header_size) != 0 ||
        ioctl(fd.get(), TUNSETOFFLOAD, offload) != 0) {
      fail_tap(name, errno);
    }
    fds.push_back(std::move(fd));
  } while (has_several && fds.size() < queues);
  const size_t count = fds.size();
  add(std::move(fds), "tap", fmt::format("mtu={}", kTapMtu));
  return count;
}

void HostDevices::start_user_network(const std::vector<PortForward>& ports, bool alone) {
  SocketPair socket = make_socket_pair();
  let_wait(socket.theirs.get());
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) fail("cannot make a pipe: {}", strerror(errno));
  UniqueFd ready_read(ready[0]);
  UniqueFd ready_write(ready[1]);
  // passt opens it by name, and as somebody else when root starts it.
  fchmod(ready_write.get(), 0622);
  std::vector<std::string> words = {"passt",
                                    "--foreground",
                                    "--quiet",
                                    "--fd",
                                    std::to_string(socket.theirs.get()),
                                    "--pid",
                                    fmt::format("/proc/self/fd/{}", ready_write.get()),
                                    "--address",
                                    "10.0.2.15",
                                    "--netmask",
                                    "24",
                                    "--gateway",
                                    "10.0.2.2",
                                    "--dns-forward",
                                    "10.0.2.3"};
  for (const PortForward& port : ports) {
    words.push_back(port.is_udp ? "--udp-ports" : "--tcp-ports");
    words.push_back(fmt::format("{}/{}:{}", port.address, port.host_port, port.guest_port));
  }
  // It wants a network card of the host as a model, which may have none but this.
  if (alone) {
    for (const char* const word :
         {"--interface", "lo", "--ipv4-only", "--mac-addr", "52:55:0a:00:02:02"}) {
      words.emplace_back(word);
    }
  }
  passt_ = std::make_unique<VmProcess>(
      words, std::vector<int>{socket.theirs.get(), ready_write.get()}, std::nullopt, "passt");
  passt_ready_ = std::move(ready_read);
  passt_socket_ = std::move(socket.ours);
}

void HostDevices::begin_user_network(const std::vector<PortForward>& ports) {
  start_user_network(ports, false);
}

void HostDevices::finish_user_network(const std::vector<PortForward>& ports) {
  char pid[32];
  if (read(passt_ready_.get(), pid, sizeof pid) <= 0) {
    const std::string first = last_words(passt_->take_errors());
    start_user_network(ports, true);
    if (read(passt_ready_.get(), pid, sizeof pid) <= 0) {
      fail(
          "passt gives no network ({}{}); --net none does without, --net tap:NAME uses a device of "
          "this machine, --platform vm has a network of its own",
          first, last_words(passt_->take_errors()));
    }
  }
  passt_ready_.reset();
  add(std::move(passt_socket_), "stream", fmt::format("mtu={}", kPasstMtu));
}

void HostDevices::add_folder(const SharedFolder& folder) {
  UniqueFd root(open(folder.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) fail("-v {}: {}", folder.path, strerror(errno));
  SocketPair socket = make_socket_pair();
  servers_.push_back(std::make_unique<VmProcess>(
      std::vector<std::string>{"/proc/self/exe", "serve-folder",
                               std::to_string(socket.theirs.get()), std::to_string(root.get()),
                               folder.read_only ? "ro" : "rw"},
      std::vector<int>{socket.theirs.get(), root.get()}));
  add(std::move(socket.ours), "9p", fmt::format("tag={}", folder.tag));
}

void HostDevices::add_disk(const DiskSettings& disk, uint64_t disk_size, int memory,
                           uint64_t memory_size) {
  SocketPair socket = make_socket_pair(SOCK_SEQPACKET);
  const char* const mode = disk.read_only ? "ro" : "rw";
  servers_.push_back(std::make_unique<VmProcess>(
      std::vector<std::string>{"/proc/self/exe", "serve-disk", std::to_string(socket.theirs.get()),
                               std::to_string(disk.fd), std::to_string(memory),
                               std::to_string(memory_size), mode},
      std::vector<int>{socket.theirs.get(), disk.fd, memory}));
  constexpr uint64_t kSectorSize = 512;
  add(std::move(socket.ours), "disk",
      fmt::format("sectors={},mode={},serial={}", disk_size / kSectorSize, mode, disk.serial));
}

}  // namespace narwhal::tools
