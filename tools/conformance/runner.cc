// Runs tests one by one as it is told on its input, and reports on its output: protocol.h. The same
// program does this on the user's machine (--isolated) and in a guest.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "tools/conformance/isolation.h"
#include "tools/conformance/loop_devices.h"
#include "tools/conformance/protocol.h"
#include "tools/conformance/test_process.h"

namespace {

namespace fs = std::filesystem;
using namespace narwhal::tools;

constexpr char kScratch[] = "/tmp/ltp";
// As if it were installed, for one that is not.
constexpr char kInstalled[] = "/tmp/ltp-installed";

bool report(const std::string& line) {
  std::cout << line << std::flush;
  return std::cout.good();
}

class Runner {
 public:
  explicit Runner(RunnerSettings settings) : settings_(std::move(settings)) {}

  void prepare() {
    std::string root = settings_.root;
    if (!settings_.programs.empty()) {
      root = kInstalled;
      fs::create_directories(root + "/testcases/bin");
      fs::create_symlink(settings_.root + "/runtest", root + "/runtest");
      for (const auto& [name, place] : settings_.programs) {
        fs::create_symlink(settings_.root + "/" + place, root + "/testcases/bin/" + name);
      }
    }
    environment_ = settings_.environment;
    environment_["PATH"] =
        root + "/testcases/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    environment_["HOME"] = "/root";
    environment_["USER"] = "root";
    environment_["LTPROOT"] = root;
    environment_["TMPDIR"] = kScratch;
  }

  TestResult run(const TestJob& job) {
    mkdir(kScratch, 0755);
    // As everybody's temporary folder, whatever this process's umask.
    chmod(kScratch, 01777);
    TestResult result = processes_.run(job.command, environment_, kScratch, settings_.seconds);
    clear_away();
    return result;
  }

 private:
  static void clear_away() {
    // Mounts that a test left: the last one first.
    std::vector<std::string> points;
    std::ifstream mounts("/proc/self/mounts");
    std::string line;
    while (std::getline(mounts, line)) {
      const size_t start = line.find(' ') + 1;
      points.push_back(line.substr(start, line.find(' ', start) - start));
    }
    for (auto point = points.rbegin(); point != points.rend(); ++point) {
      const bool is_inside = *point == kScratch || point->starts_with(std::string(kScratch) + "/");
      if (is_inside) umount2(point->c_str(), MNT_DETACH);
    }
    detach_loop_devices(kScratch);
    std::error_code ignored;
    fs::remove_all(kScratch, ignored);
    if (getpid() != 1) return;  // what is there may be somebody else's
    remove_ipc("/proc/sysvipc/shm", [](int id) { shmctl(id, IPC_RMID, nullptr); });
    remove_ipc("/proc/sysvipc/msg", [](int id) { msgctl(id, IPC_RMID, nullptr); });
    remove_ipc("/proc/sysvipc/sem", [](int id) { semctl(id, 0, IPC_RMID); });
  }

  template <typename Remove>
  static void remove_ipc(const char* list, Remove remove) {
    std::ifstream file(list);
    std::string line;
    std::getline(file, line);  // the heading
    while (std::getline(file, line)) {
      int key, id;
      if (sscanf(line.c_str(), "%d %d", &key, &id) == 2) remove(id);
    }
  }

  RunnerSettings settings_;
  std::map<std::string, std::string> environment_;
  TestProcesses processes_;
};

int work(bool is_isolated) {
  std::string line;
  if (!std::getline(std::cin, line)) return 0;
  RunnerSettings settings = settings_from(line);
  RunnerReady ready;
  if (is_isolated) {
    ready.notes = enter_isolation(settings.root);
  } else if (getpid() == 1) {
    mount_scratch();
  }
  umask(022);
  // What a test sends to everybody is not for this process.
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM}) {
    ::signal(signal, SIG_IGN);
  }
  Runner runner(std::move(settings));
  runner.prepare();
  report(to_line(ready));
  while (std::getline(std::cin, line)) {
    const TestResult result = runner.run(job_from(line));
    if (!report(to_line(result))) return 1;
    if (result.left_over) return 0;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return work(argc > 1 && strcmp(argv[1], "--isolated") == 0);
  } catch (const std::exception& error) {
    fprintf(stderr, "conformance runner: %s\n", error.what());
    return 1;
  }
}
