// What the system tells of each processor: in /proc/stat, /proc/cpuinfo and /sys.
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/processors.h"

namespace compat {
namespace {

// Ticks (times(2)) that one processor was busy with programs and the system.
long busy_ticks(unsigned cpu) {
  std::ifstream stat("/proc/stat");
  const std::string wanted = "cpu" + std::to_string(cpu);
  std::string line;
  while (std::getline(stat, line)) {
    std::istringstream words(line);
    std::string name;
    long user, nice, system;
    if (words >> name >> user >> nice >> system && name == wanted) return user + nice + system;
  }
  return -1;
}

TEST(ProcessorFigures, EachOneCountsItsOwnTime) {
  std::thread([] {
    for (const unsigned cpu : processors()) {
      move_to(cpu);
      const long before = busy_ticks(cpu);
      ASSERT_GE(before, 0) << cpu;
      timespec used = {}, begun = {};
      ASSERT_OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun));
      // Until this thread alone has used two tenths of a second there.
      do {
        for (volatile int work = 0; work < 1'000'000;) work = work + 1;
        ASSERT_OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used));
      } while ((used.tv_sec - begun.tv_sec) * 1000 + (used.tv_nsec - begun.tv_nsec) / 1'000'000 <
               200);
      EXPECT_GE(busy_ticks(cpu), before + 10) << cpu;
    }
  }).join();
}

TEST(ProcessorFigures, AreListedEverywhere) {
  std::ifstream info("/proc/cpuinfo");
  std::set<unsigned> listed;
  std::string line;
  while (std::getline(info, line)) {
    unsigned number;
    if (sscanf(line.c_str(), "processor\t: %u", &number) == 1) listed.insert(number);
  }
  for (const unsigned cpu : processors()) {
    EXPECT_TRUE(listed.contains(cpu)) << cpu;
    EXPECT_GE(busy_ticks(cpu), 0) << cpu;
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
    EXPECT_OK(access(folder.c_str(), F_OK)) << folder;
  }
}

}  // namespace
}  // namespace compat
