#include "tools/conformance/loop_devices.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "tools/base/unique_fd.h"

namespace narwhal::tools {

void detach_loop_devices(const std::string& folder) {
  struct stat status;
  if (stat(folder.c_str(), &status) != 0) return;
  for (int i = 0;; ++i) {
    const std::string path = "/dev/loop" + std::to_string(i);
    const UniqueFd device(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!device) return;
    loop_info64 info;
    if (ioctl(device.get(), LOOP_GET_STATUS64, &info) != 0) continue;
    if (info.lo_device == status.st_dev) ioctl(device.get(), LOOP_CLR_FD, 0);
  }
}

}  // namespace narwhal::tools
