#include "tools/narwhal/run_settings.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "tools/narwhal/plan.h"

namespace narwhal::tools {
namespace {

std::string random_seed() {
  unsigned char bytes[32];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return "";
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace

std::string kind_of_stream(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return "null";
  if (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3)) return "null";
  return isatty(fd) != 0 ? "tty" : "pipe";
}

void add_run_settings(const Options& options, BootSettings& settings) {
  settings.add("stdin", kind_of_stream(STDIN_FILENO));
  settings.add("stdout", kind_of_stream(STDOUT_FILENO));
  settings.add("stderr", kind_of_stream(STDERR_FILENO));
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    winsize size = {};
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) continue;
    settings.add("winsize", fmt::format("{}x{}", size.ws_row, size.ws_col));
    break;
  }
  settings.add("seed", random_seed());
  if (options.traces_calls) settings.add("strace", "1");
  if (options.waits_for_debugger) settings.add("nokaslr", "1");
}

std::string machine_settings(const Options& options, const MachineSettings& machine,
                             const HostDevices& devices) {
  BootSettings settings;
  for (const std::string& device : devices.settings()) settings.add("device", device);
  switch (machine.network.kind) {
    case Network::Kind::kUser:
      settings.add("net", options.address.empty() ? kUserAddress : options.address);
      settings.add("dns", kUserNameServer);
      break;
    case Network::Kind::kTap:
      settings.add("net", options.address.empty() ? "dhcp" : options.address);
      break;
    case Network::Kind::kNone:
      settings.add("net", "none");
      break;
  }
  if (!options.linux_folder.empty()) {
    settings.add("console", "ttyS0");
    settings.add("loglevel", options.kernel_log.empty() ? "1" : "7");
    settings.add("panic", "-1");  // reboot, which -no-reboot turns into QEMU's end
    return settings.command_line();
  }
  if (!options.kernel_log.empty()) settings.add("loglevel", options.kernel_log);
  if (options.leaves_calls) settings.add("rewrite", "0");
  // KVM has a clock for its guests; the emulated machine's one only counts whole seconds.
  if (!machine.use_kvm && !machine.is_process && !options.counts_instructions) {
    timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    settings.add("time", fmt::format("{}{:09}", time.tv_sec, time.tv_nsec));
  }
  return settings.command_line();
}

}  // namespace narwhal::tools
