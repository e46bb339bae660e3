// The processors that a thread may run on, and how it goes to one of them.
#pragma once

#include <sched.h>

#include <vector>

#include "compat_tests/common/expect.h"

namespace compat {

inline std::vector<unsigned> processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> found;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return found;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) found.push_back(cpu);
  return found;
}

inline cpu_set_t only(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return set;
}

inline void move_to(unsigned cpu) {
  const cpu_set_t set = only(cpu);
  ASSERT_OK(sched_setaffinity(0, sizeof set, &set));
}

}  // namespace compat
