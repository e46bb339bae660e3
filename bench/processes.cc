#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"

namespace narwhal::bench {

namespace {

void wait_for(pid_t child) {
  int status = 0;
  require(child > 0 && waitpid(child, &status, 0) == child && status == 0, "fork and wait");
}

long long fork_exit_wait(long long times) {
  const long long start = now();
  for (long long i = 0; i < times; ++i) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    wait_for(child);
  }
  return now() - start;
}

// This program again, which then does nothing.
long long fork_exec_wait(long long times) {
  const long long start = now();
  for (long long i = 0; i < times; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      execl(program_invocation_name, program_invocation_name, kDoNothing, nullptr);
      _exit(1);
    }
    wait_for(child);
  }
  return now() - start;
}

}  // namespace

std::vector<Row> process_rows() {
  return {{"fork_exit_wait", fork_exit_wait}, {"fork_exec_wait", fork_exec_wait}};
}

}  // namespace narwhal::bench
