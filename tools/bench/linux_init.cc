// The first process of a Linux guest that is to be compared with Narwhal: it keeps
// docs/boot-contract.md, so that `narwhal run --linux` starts, feeds, stops and measures both kinds
// of guest in the same way.
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int kPortsTimeout = 5000;  // ms
constexpr useconds_t kDrainTime = 300000;
constexpr unsigned kDebugExit = 0x501;  // isa-debug-exit
constexpr int kNotExecutable = 126;     // as env(1) says it
constexpr int kNotFound = 127;

// Nobody reads this but people who look at the guest's serial port.
void complain(const char* what) {
  fprintf(stderr, "linux_init: %s: %s\n", what, strerror(errno));
}

[[noreturn]] void power_off() {
  // Linux returns from a write to a port before the host has taken the bytes, and offers no way to
  // wait for that; the machine must not end before.
  usleep(kDrainTime);
  if (ioperm(kDebugExit, 1, 1) == 0) {
    asm volatile("outb %%al, %%dx" : : "a"(0), "d"(kDebugExit));
  }
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

std::string read_file(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char bytes[4096];
  ssize_t got;
  while (fd >= 0 && (got = read(fd, bytes, sizeof bytes)) > 0) {
    text.append(bytes, static_cast<size_t>(got));
  }
  if (fd >= 0) close(fd);
  return text;
}

std::vector<std::string> names_in(const char* folder) {
  std::vector<std::string> names;
  DIR* const open_folder = opendir(folder);
  if (open_folder == nullptr) return names;
  while (const dirent* const entry = readdir(open_folder)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(open_folder);
  std::sort(names.begin(), names.end());
  return names;
}

void mount_all() {
  const struct {
    const char* type;
    const char* place;
  } mounts[] = {{"devtmpfs", "/dev"},
                {"proc", "/proc"},
                {"sysfs", "/sys"},
                {"tmpfs", "/dev/shm"},
                {"devpts", "/dev/pts"}};
  for (const auto& [type, place] : mounts) {
    mkdir(place, 0755);
    if (mount(type, place, type, 0, nullptr) != 0) complain(place);
  }
}

// In the order of their names, which is the order of their needs.
void load_modules() {
  for (const std::string& name : names_in("/modules")) {
    const int fd = open(("/modules/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0) complain(name.c_str());
    if (fd >= 0) close(fd);
  }
}

// "narwhal.stdin" -> its device, opened. Ports appear some time after the driver.
std::map<std::string, int> open_ports() {
  std::map<std::string, int> ports;
  for (int waited = 0; ports.size() < 4 && waited < kPortsTimeout; ++waited) {
    for (const std::string& device : names_in("/sys/class/virtio-ports")) {
      std::string name = read_file("/sys/class/virtio-ports/" + device + "/name");
      name = name.substr(0, name.find('\n'));
      if (name.empty() || ports.contains(name)) continue;
      const int fd = open(("/dev/" + device).c_str(), O_RDWR | O_CLOEXEC);
      if (fd >= 0) ports[name] = fd;
    }
    usleep(1000);
  }
  return ports;
}

std::multimap<std::string, std::string> read_settings() {
  std::multimap<std::string, std::string> settings;
  const auto add = [&](std::string_view setting) {
    const size_t equals = setting.find('=');
    if (equals != std::string_view::npos) {
      settings.emplace(setting.substr(0, equals), setting.substr(equals + 1));
    }
  };
  const auto add_all = [&](std::string_view text, char separator) {
    while (!text.empty()) {
      const size_t end = std::min(text.find(separator), text.size());
      add(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  };
  std::string line = read_file("/proc/cmdline");
  line = line.substr(0, line.find('\n'));
  add_all(line, ' ');
  add_all(read_file("/.narwhal/boot"), '\0');
  return settings;
}

std::string last(const std::multimap<std::string, std::string>& settings, const char* key,
                 const char* otherwise) {
  const auto after = settings.upper_bound(key);
  if (after == settings.begin() || std::prev(after)->first != key) return otherwise;
  return std::prev(after)->second;
}

std::vector<char*> list(const std::multimap<std::string, std::string>& settings, const char* key) {
  std::vector<char*> values;
  const auto [begin, end] = settings.equal_range(key);
  for (auto at = begin; at != end; ++at) values.push_back(const_cast<char*>(at->second.c_str()));
  values.push_back(nullptr);
  return values;
}

sockaddr address_of(in_addr value) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr = value;
  sockaddr plain;
  memcpy(&plain, &address, sizeof plain);
  return plain;
}

void switch_on(int fd, ifreq& request) {
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) complain(request.ifr_name);
}

// "ADDRESS/PREFIX,GATEWAY"
void configure_network(const std::string& setting) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request = {};
  strcpy(request.ifr_name, "lo");
  switch_on(fd, request);
  const size_t slash = setting.find('/');
  const size_t comma = setting.find(',');
  in_addr address, gateway;
  if (slash != std::string::npos && comma != std::string::npos &&
      inet_pton(AF_INET, setting.substr(0, slash).c_str(), &address) == 1 &&
      inet_pton(AF_INET, setting.substr(comma + 1).c_str(), &gateway) == 1) {
    const int prefix = atoi(setting.c_str() + slash + 1);
    const in_addr mask = {htonl(prefix == 0 ? 0 : ~0u << (32 - prefix))};
    strcpy(request.ifr_name, "eth0");
    request.ifr_addr = address_of(address);
    if (ioctl(fd, SIOCSIFADDR, &request) != 0) complain("address");
    request.ifr_netmask = address_of(mask);
    if (ioctl(fd, SIOCSIFNETMASK, &request) != 0) complain("netmask");
    switch_on(fd, request);
    rtentry route = {};
    route.rt_dst = address_of({0});
    route.rt_genmask = address_of({0});
    route.rt_gateway = address_of(gateway);
    route.rt_flags = RTF_UP | RTF_GATEWAY;
    if (ioctl(fd, SIOCADDRT, &route) != 0) complain("route");
  }
  close(fd);
}

// The child's part up to execve(2), whose error is returned.
int become_program(const std::multimap<std::string, std::string>& settings,
                   const std::map<std::string, int>& ports) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setsid();
  const char* const names[] = {"narwhal.stdin", "narwhal.stdout", "narwhal.stderr"};
  for (int fd = 0; fd < 3; ++fd) {
    if (dup2(ports.at(names[fd]), fd) < 0) return errno;
  }
  if (chdir(last(settings, "cwd", "/").c_str()) != 0) return errno;
  const std::string user = last(settings, "user", "0:0");
  const std::string hostname = last(settings, "hostname", "linux");
  if (sethostname(hostname.c_str(), hostname.size()) != 0) return errno;
  const size_t colon = std::min(user.find(':'), user.size() - 1);
  if (setgid(static_cast<gid_t>(atoi(user.c_str() + colon + 1))) != 0) return errno;
  if (setuid(static_cast<uid_t>(atoi(user.c_str()))) != 0) return errno;
  execve(last(settings, "program", "/init").c_str(), list(settings, "arg").data(),
         list(settings, "env").data());
  return errno;
}

void say(int control, const std::string& line) {
  const std::string text = line + "\n";
  if (write(control, text.data(), text.size()) < 0) complain("control");
}

// Lines from the host until the program has ended. Returns its status as waitpid(2) has it.
int watch(pid_t program, int control, int children) {
  std::string line;
  while (true) {
    pollfd polled[] = {{children, POLLIN, 0}, {control, POLLIN, 0}};
    poll(polled, 2, -1);
    char c;
    if ((polled[1].revents & POLLIN) != 0 && read(control, &c, 1) == 1) {
      if (c != '\n') {
        line += c;
        continue;
      }
      int signal = 0;
      if (sscanf(line.c_str(), "signal %d", &signal) == 1) kill(program, signal);
      line.clear();
    }
    signalfd_siginfo info;
    if ((polled[0].revents & POLLIN) == 0 || read(children, &info, sizeof info) < 0) continue;
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
      if (ended == program) return status;
    }
  }
}

}  // namespace

int main() {
  mount_all();
  load_modules();
  const auto ports = open_ports();
  if (ports.size() < 4) power_off();
  const int control = ports.at("narwhal.control");
  const auto settings = read_settings();
  configure_network(last(settings, "net", ""));

  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_signal, nullptr);
  const int children = signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK);
  int failure[2];  // carries errno from a child that could not become the program
  if (pipe2(failure, O_CLOEXEC) != 0) power_off();
  const pid_t program = fork();
  if (program == 0) {
    const int error = become_program(settings, ports);
    if (write(failure[1], &error, sizeof error) < 0) complain("pipe");
    _exit(kNotExecutable);
  }
  close(failure[1]);
  int error = 0;
  if (read(failure[0], &error, sizeof error) == sizeof error) {
    say(control, std::string("error ") + strerror(error));
    say(control, "exit " + std::to_string(error == ENOENT ? kNotFound : kNotExecutable));
    power_off();
  }
  say(control, "started");
  const int status = watch(program, control, children);
  say(control, WIFSIGNALED(status) ? "killed " + std::to_string(WTERMSIG(status))
                                   : "exit " + std::to_string(WEXITSTATUS(status)));
  power_off();
}
