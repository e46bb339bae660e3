#include "tools/narwhal/checks.h"

#include <arpa/inet.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>

#include "tools/base/companion.h"
#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/base/unique_fd.h"

namespace narwhal::tools {

namespace {

// What the kernel needs besides its image and the archive, before the program has run one
// instruction: page tables, stacks, the first slabs, and the memory below 1 MiB that is not to be
// used.
constexpr uint64_t kLeastForKernel = (2 << 20) + (1 << 18);

std::string option(const PortForward& port) {
  const std::string address = port.address == "127.0.0.1" ? "" : port.address + ":";
  return fmt::format("-p {}{}:{}{}", address, port.host_port, port.guest_port,
                     port.is_udp ? "/udp" : "");
}

}  // namespace

void check_ports(const std::vector<PortForward>& ports) {
  for (const PortForward& port : ports) {
    const auto is_same = [&](const PortForward& other) {
      return other.address == port.address && other.host_port == port.host_port &&
             other.is_udp == port.is_udp;
    };
    if (std::find_if(ports.data(), &port, is_same) != &port) {
      fail("{}: port {} on {} is given twice", option(port), port.host_port, port.address);
    }
  }
  std::vector<UniqueFd> bound;  // all at once: an address may stand for all of them
  for (const PortForward& port : ports) {
    const int type = port.is_udp ? SOCK_DGRAM : SOCK_STREAM;
    UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
    if (!fd) fail("cannot make a socket: {}", strerror(errno));
    // As QEMU does it; without this a port whose last connection is in TIME_WAIT counts as busy.
    const int yes = 1;
    if (!port.is_udp) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port.host_port);
    inet_pton(AF_INET, port.address.c_str(), &address.sin_addr);
    int result = bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (result == 0 && !port.is_udp) result = listen(fd.get(), 1);
    if (result != 0) {
      switch (errno) {
        case EADDRINUSE:
          fail(
              "{}: port {} on {} is in use; stop what listens there, or take another port: -p "
              "{}:{}",
              option(port), port.host_port, port.address, port.host_port % 50000 + 10000,
              port.guest_port);
        case EACCES:
          fail("{}: ports below 1024 are for root; take a higher one: -p {}:{}", option(port),
               port.host_port + 8000, port.guest_port);
        case EADDRNOTAVAIL:
          fail("{}: {} is no address of this machine", option(port), port.address);
        default:
          fail("{}: {}", option(port), strerror(errno));
      }
    }
    bound.push_back(std::move(fd));
  }
}

std::string find_kernel(const std::string& wanted, const std::string& command_name,
                        bool is_process) {
  const char* const variable_name = is_process ? "NARWHAL_PROCESS_KERNEL" : "NARWHAL_KERNEL";
  const std::string file = is_process ? "narwhal_process.elf" : "narwhal.elf";
  const char* const variable = getenv(variable_name);
  std::string named = !wanted.empty() ? wanted : variable != nullptr ? variable : "";
  if (!named.empty()) {
    if (access(named.c_str(), R_OK) != 0) {
      fail("{} {}: {}", wanted.empty() ? variable_name : "--kernel", named, strerror(errno));
    }
    return named;
  }
  const std::string place = find_companion(command_name, "kernel/init/" + file, file);
  if (!place.empty()) return place;
  fail(
      "the kernel was not found; build it (bazel build //kernel/init:{}) and name it with "
      "--kernel or {}",
      file, variable_name);
}

uint64_t kernel_size(const std::string& kernel) {
  const UniqueFd fd(open(kernel.c_str(), O_RDONLY | O_CLOEXEC));
  Elf64_Ehdr header;
  if (!fd || pread(fd.get(), &header, sizeof header, 0) != sizeof header ||
      memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64 ||
      header.e_ident[EI_CLASS] != ELFCLASS64) {
    fail("{} is no kernel: not a 64-bit x86-64 ELF file", kernel);
  }
  uint64_t lowest = UINT64_MAX;
  uint64_t highest = 0;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    const off_t at = static_cast<off_t>(header.e_phoff + i * sizeof segment);
    if (pread(fd.get(), &segment, sizeof segment, at) != sizeof segment) break;
    if (segment.p_type != PT_LOAD) continue;
    lowest = std::min(lowest, segment.p_paddr);
    highest = std::max(highest, segment.p_paddr + segment.p_memsz);
  }
  if (highest <= lowest) fail("{} is no kernel: it has nothing to load", kernel);
  return highest - lowest;
}

void check_memory(uint64_t memory, uint64_t archive, uint64_t kernel) {
  const uint64_t needed = archive + kernel + kLeastForKernel;
  if (memory >= needed) return;
  constexpr uint64_t kMebibyte = 1 << 20;
  const uint64_t advice = (needed + needed / 4 + kMebibyte - 1) / kMebibyte;
  fail("-m {}M is too little: the root archive has {}, the kernel needs {}; use -m {}M or more",
       memory / kMebibyte, format_size(archive), format_size(kernel + kLeastForKernel), advice);
}

}  // namespace narwhal::tools
