#include "tools/conformance/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tools/base/unique_fd.h"
#include "tools/conformance/kernel_settings.h"

namespace narwhal::tools {

namespace {

namespace fs = std::filesystem;

std::string why(const char* what) {
  return std::string(what) + ": " + strerror(errno);
}

// Covered by a file system of the new namespace: nothing of it is left on the machine, however this
// ends.
constexpr char kFolder[] = "/tmp";

[[noreturn]] void wait_for_inside(pid_t inside, const KernelSettings& settings) {
  int status = 0;
  while (waitpid(inside, &status, 0) < 0 && errno == EINTR) continue;
  settings.restore();
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

struct MountPoint {
  std::string path;
  std::string type;
};

std::vector<MountPoint> mount_points() {
  std::vector<MountPoint> found;
  std::ifstream file("/proc/self/mounts");
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string device;
    MountPoint point;
    words >> device >> point.path >> point.type;
    found.push_back(std::move(point));
  }
  return found;
}

bool is_below(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder + "/");
}

void bind(const std::string& from, const std::string& to, unsigned long more, bool read_only) {
  std::error_code ignored;
  if (fs::is_directory(from, ignored)) fs::create_directories(to, ignored);
  if (mount(from.c_str(), to.c_str(), nullptr, MS_BIND | more, nullptr) != 0) return;
  if (read_only) mount(nullptr, to.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr);
}

// The machine's files with changes kept in memory, at `root`; false when the machine cannot do
// that.
bool mount_view(const std::string& root) {
  const std::string folder = kFolder;
  for (const char* const name : {"/upper", "/work", "/root"}) {
    if (mkdir((folder + name).c_str(), 0755) != 0) return false;
  }
  const std::string options =
      "lowerdir=/,upperdir=" + folder + "/upper,workdir=" + folder + "/work";
  if (mount("overlay", root.c_str(), "overlay", 0, options.c_str()) != 0) return false;
  for (const MountPoint& point : mount_points()) {
    const bool is_own = point.path == "/" || is_below(point.path, folder);
    const bool comes_below = is_below(point.path, "/proc") || is_below(point.path, "/sys") ||
                             is_below(point.path, "/dev");
    if (!is_own && !comes_below) bind(point.path, root + point.path, 0, true);
  }
  for (const char* const place : {"/sys", "/dev"}) bind(place, root + place, MS_REC, false);
  mount("tmpfs", (root + "/dev/shm").c_str(), "tmpfs", 0, nullptr);
  return mount("proc", (root + "/proc").c_str(), "proc", 0, nullptr) == 0;
}

bool enter_view(const std::string& root) {
  if (chdir(root.c_str()) != 0) return false;
  if (syscall(SYS_pivot_root, ".", ".") != 0) return false;
  return umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

void raise_loopback() {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  strcpy(request.ifr_name, "lo");
  if (ioctl(fd.get(), SIOCGIFFLAGS, &request) != 0) return;
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  ioctl(fd.get(), SIOCSIFFLAGS, &request);
}

bool drop_capabilities() {
  constexpr unsigned kDropped[] = {CAP_SYS_TIME, CAP_SYS_BOOT, CAP_SYS_MODULE};
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  for (const unsigned capability : kDropped) {
    if (prctl(PR_CAPBSET_DROP, capability) != 0) return false;
    const unsigned bit = 1u << (capability % 32);
    __user_cap_data_struct& half = data[capability / 32];
    half.effective &= ~bit;
    half.permitted &= ~bit;
    half.inheritable &= ~bit;
  }
  return syscall(SYS_capset, &header, data) == 0;
}

}  // namespace

bool mount_scratch() {
  return mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777") == 0;
}

std::vector<std::string> enter_isolation(const std::string& kept) {
  const KernelSettings settings("/proc/sys");
  const int spaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID;
  if (unshare(spaces) != 0) throw std::runtime_error(why("unshare(2)"));
  const pid_t inside = fork();
  if (inside < 0) throw std::runtime_error(why("fork(2)"));
  if (inside > 0) wait_for_inside(inside, settings);
  prctl(PR_SET_PDEATHSIG, SIGKILL);

  std::vector<std::string> notes;
  const UniqueFd kept_fd(open(kept.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string kept_place = "/proc/self/fd/" + std::to_string(kept_fd.get());
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tmpfs", kFolder, "tmpfs", 0, "mode=755") != 0) {
    throw std::runtime_error(why("mount(2)"));
  }
  const std::string root = std::string(kFolder) + "/root";
  if (mount_view(root)) {
    mount("tmpfs", (root + "/tmp").c_str(), "tmpfs", 0, "mode=1777");
    bind(kept_place, root + kept, 0, true);
    if (!enter_view(root)) throw std::runtime_error(why("pivot_root(2)"));
    // As in the guest. Other sources of names are libraries, which programs that were linked
    // statically crash over.
    std::ofstream("/etc/nsswitch.conf") << "passwd: files\ngroup: files\nshadow: files\n"
                                           "hosts: files dns\nservices: files\n";
  } else {
    notes.push_back("no overlay file system: files outside of /tmp are this machine's own");
    mount("proc", "/proc", "proc", 0, nullptr);
    mount_scratch();
    bind(kept_place, kept, 0, true);
  }
  raise_loopback();
  sethostname("narwhal", 7);
  if (!drop_capabilities()) throw std::runtime_error(why("cannot give up capabilities"));
  notes.push_back(
      "the native run has no right to set the clock, reboot, or load kernel modules, which would "
      "harm this machine: tests of these do not pass natively");
  return notes;
}

}  // namespace narwhal::tools
