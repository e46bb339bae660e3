// What a guest in the process home has in place of a machine's devices: descriptors that are opened
// here, and programs of the host at their other ends. The kernel only gets the descriptors, before
// it gives up opening anything itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tools/base/unique_fd.h"
#include "tools/narwhal/machine.h"
#include "tools/narwhal/values.h"
#include "tools/narwhal/vm_process.h"

namespace narwhal::tools {

class HostDevices {
 public:
  // An existing TAP device, or a new one where the user may make it, with as many queues as it
  // gives of those that are wanted. Returns their number. Throws Error.
  size_t add_tap(const std::string& name, size_t queues);
  // A network by passt(1), with the addresses of QEMU's user network: starts it, and then sees that
  // it is there and forwards the ports. The time in between is well spent. Both throw Error, when
  // passt is missing or does not work here, and say what to do.
  void begin_user_network(const std::vector<PortForward>& ports);
  void finish_user_network(const std::vector<PortForward>& ports);

  // A folder, by a process of our own that serves it (tools/p9). Throws Error.
  void add_folder(const SharedFolder& folder);
  // A disk, by a process of our own that reads and writes the file (tools/disk), from and to
  // `memory`, the guest's, which is to have `memory_size` bytes. Throws Error.
  void add_disk(const DiskSettings& disk, uint64_t disk_size, int memory, uint64_t memory_size);

  // Values of the boot setting `device`, and the descriptors that they name.
  const std::vector<std::string>& settings() const { return settings_; }
  std::vector<int> descriptors() const;
  // The kernel has its own copies.
  void close_descriptors() { descriptors_.clear(); }

 private:
  // `alone`: without a network card of the host.
  void start_user_network(const std::vector<PortForward>& ports, bool alone);
  void add(UniqueFd fd, const std::string& kind, const std::string& more);
  void add(std::vector<UniqueFd> queues, const std::string& kind, const std::string& more);

  std::vector<UniqueFd> descriptors_;
  std::vector<std::string> settings_;
  std::unique_ptr<VmProcess> passt_;
  UniqueFd passt_ready_;  // says something when it works, and ends when it ends
  UniqueFd passt_socket_;
  std::vector<std::unique_ptr<VmProcess>> servers_;
};

}  // namespace narwhal::tools
