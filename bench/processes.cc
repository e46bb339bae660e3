#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
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
      execl("/proc/self/exe", program_invocation_name, kDoNothing, nullptr);
      _exit(1);
    }
    wait_for(child);
  }
  return now() - start;
}

// A gibibyte with something in every page, as a database has when it saves itself from a fork.
// Made once for all rows below it.
void touch_a_gibibyte() {
  constexpr size_t kSize = size_t{1} << 30, kPage = 4096;
  static char* const memory = [] {
    void* const fresh =
        mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(fresh != MAP_FAILED, "mmap of 1 GiB");
    for (size_t at = 0; at < kSize; at += kPage) static_cast<char*>(fresh)[at] = 1;
    return static_cast<char*>(fresh);
  }();
  require(memory[kSize - kPage] == 1, "1 GiB");
}

// How long the parent stands still.
long long fork_of_1_gib(long long times) {
  touch_a_gibibyte();
  long long taken = 0;
  for (long long i = 0; i < times; ++i) {
    const long long start = now();
    const pid_t child = fork();
    if (child == 0) _exit(0);
    taken += now() - start;
    wait_for(child);
  }
  return taken;
}

long long fork_exit_wait_of_1_gib(long long times) {
  touch_a_gibibyte();
  return fork_exit_wait(times);
}

// Runs `answer` in a child while the parent does `ask`, `times` times each.
template <typename Answer, typename Ask>
long long with_partner(long long times, Answer answer, Ask ask) {
  const pid_t child = fork();
  if (child == 0) {
    for (long long i = 0; i < times; ++i) answer();
    _exit(0);
  }
  const long long start = now();
  for (long long i = 0; i < times; ++i) ask();
  const long long taken = now() - start;
  wait_for(child);
  return taken;
}

// There and back counts as one.
long long process_pipe_ping_pong(long long times) {
  int to[2], back[2];
  require(pipe(to) == 0 && pipe(back) == 0, "pipe");
  char byte = 'x';
  const long long taken = with_partner(
      times, [&] { require(read(to[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1, "pipe"); },
      [&] { require(write(to[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "pipe"); });
  for (const int fd : {to[0], to[1], back[0], back[1]}) close(fd);
  return taken;
}

// Two processes that give way to each other: two switches for one.
long long process_switch(long long times) {
  return with_partner(times, sched_yield, sched_yield);
}

}  // namespace

std::vector<Row> process_rows() {
  return {{"fork_exit_wait", fork_exit_wait},
          {"fork_exec_wait", fork_exec_wait},
          {"process_pipe_ping_pong", process_pipe_ping_pong},
          {"process_switch", process_switch},
          {"fork_of_1_gib", fork_of_1_gib},
          {"fork_exit_wait_of_1_gib", fork_exit_wait_of_1_gib}};
}

}  // namespace narwhal::bench
