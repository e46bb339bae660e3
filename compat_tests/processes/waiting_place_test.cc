// Where a task waits: /proc/PID/syscall, /proc/PID/wchan; and KernelStack of /proc/meminfo.
#include <fcntl.h>
#include <sys/syscall.h>

#include <sstream>

#include "compat_tests/common/files.h"
#include "compat_tests/processes/child.h"

namespace compat {
namespace {

std::string proc(pid_t pid, const char* name) {
  return read_file("/proc/" + std::to_string(pid) + "/" + name);
}

TEST(WaitingPlace, TellsTheCall) {
  const pid_t pid = spawn([] { return syscall(SYS_pause, 11, 22, 33, 44, 55, 66); });
  const std::string start = std::to_string(SYS_pause) + " 0xb 0x16 0x21 0x2c 0x37 0x42 0x";
  EXPECT_TRUE(eventually([&] { return proc(pid, "syscall").substr(0, start.size()) == start; }))
      << proc(pid, "syscall");
  std::istringstream words(proc(pid, "syscall"));
  std::string word;
  int count = 0;
  while (words >> word) ++count;
  EXPECT_EQ(9, count);
  EXPECT_NE("0", proc(pid, "wchan"));
  end_child(pid);
}

TEST(WaitingPlace, OfWhoRuns) {
  const pid_t pid = spawn([] {
    for (;;) {
    }
    return 0;
  });
  EXPECT_TRUE(eventually([&] { return proc(pid, "syscall") == "running\n"; }));
  EXPECT_TRUE(eventually([&] { return proc(pid, "wchan") == "0"; }));
  end_child(pid);
}

TEST(WaitingPlace, OfWhoLooks) {
  std::istringstream words(read_file("/proc/self/syscall"));
  long call = -1;
  unsigned long fd = 0;
  words >> call >> std::hex >> fd;
  EXPECT_EQ(SYS_read, call);
}

TEST(WaitingPlace, OfAZombie) {
  const pid_t pid = spawn([] { return 0; });
  EXPECT_TRUE(eventually([&] { return state_of(pid) == 'Z'; }));
  EXPECT_EQ("0", proc(pid, "wchan"));
  EXPECT_EQ(0, outcome(pid));
}

TEST(WaitingPlace, StacksOfTheKernelAreCounted) {
  std::istringstream lines(read_file("/proc/meminfo"));
  std::string name;
  long size = 0;
  while (lines >> name && name != "KernelStack:") std::getline(lines, name);
  lines >> size;
  EXPECT_GT(size, 0);
}

}  // namespace
}  // namespace compat
