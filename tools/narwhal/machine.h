// QEMU's command line for a guest: docs/boot-contract.md from the outside.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/narwhal/values.h"

namespace narwhal::tools {

// A folder of this machine that the guest sees as it is (virtio-9p).
struct SharedFolder {
  std::string path;
  std::string tag;  // what the guest calls it
  bool read_only = false;
};

// A file that the guest sees as a disk (virtio-blk), by a descriptor that is inherited.
struct DiskSettings {
  int fd = -1;
  bool read_only = false;
  bool is_direct = false;        // the descriptor has O_DIRECT
  bool is_block_device = false;  // of this machine
  std::string serial;            // what the guest calls it
};

struct MachineSettings {
  std::string qemu = "qemu-system-x86_64";
  bool is_q35 = false;  // a PC with PCI; otherwise microvm, which starts faster
  bool is_process = false;  // no machine at all: the kernel is a Linux process
  bool use_kvm = false;
  bool counts_instructions = false;  // --icount
  bool waits_for_debugger = false;
  uint64_t memory = uint64_t{1} << 30;
  unsigned processors = 1;
  Network network;
  std::vector<PortForward> ports;
  std::vector<SharedFolder> shares;
  std::vector<DiskSettings> disks;
  std::string kernel;
  std::string archive;
  std::string command_line;

  // Descriptors that QEMU inherits: connected stream sockets.
  struct Channels {
    int stdin_fd = -1;
    int stdout_fd = -1;
    int stderr_fd = -1;
    int control_fd = -1;
    int serial_fd = -1;
  } channels;
};

std::vector<std::string> qemu_command(const MachineSettings& settings);

// The command line of the kernel as a process (kernel/platform/process). The archive is the
// beginning of the file that becomes its memory.
struct ProcessMemory {
  int fd = -1;
  uint64_t archive_size = 0;
  uint64_t tsc_khz = 0;  // 0: unknown
  int image_fd = -1;     // the kernel
  bool uses_host_clock = false;
};
std::vector<std::string> process_command(const MachineSettings& settings,
                                         const ProcessMemory& memory);

// The same as one line that a shell would take.
std::string quoted_for_shell(const std::vector<std::string>& command);

}  // namespace narwhal::tools
