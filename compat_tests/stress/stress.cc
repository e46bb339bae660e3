// Makes processes from many threads for a while, in every way that programs do, and checks that
// none is lost, none hangs, and nothing stays behind.
//
//   stress SECONDS [THREADS [SEED]]
//
// Exits with 0 if all is well. In the guest, where it is the only program, the memory that was free
// after a first round must be free again at the end.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "compat_tests/stress/steps.h"

namespace stress {
namespace {

constexpr int kStallSeconds = 120;

std::atomic<bool> stopping{false};
std::atomic<uint64_t> interruptions{0};

void run_step(Worker& worker, const Step& step) {
  worker.doing = step.name;
  step.run(worker);
  ++worker.rounds;
}

void work(Worker& worker) {
  worker.handle = pthread_self();
  worker.ready = true;
  while (!stopping) run_step(worker, kSteps[worker.next() % kSteps.size()]);
  worker.finished = true;
}

// --- the frame

int64_t free_kib() {
  FILE* file = fopen("/proc/meminfo", "re");
  if (!file) return -1;
  char line[256];
  long long value = 0, free_memory = -1, slabs = 0;
  while (fgets(line, sizeof line, file)) {
    if (sscanf(line, "MemFree: %lld", &value) == 1) free_memory = value;
    if (sscanf(line, "Slab: %lld", &value) == 1) slabs = value;
  }
  fclose(file);
  // The kernel keeps the slabs of what it freed for what comes next.
  return free_memory == -1 ? -1 : free_memory + slabs;
}

int64_t seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

// Interrupts workers wherever they are, and sees that each gets on.
void watch(std::vector<std::unique_ptr<Worker>>& workers, int64_t end) {
  std::vector<std::pair<uint64_t, int64_t>> progress(workers.size(), {0, seconds()});
  size_t turn = 0;
  for (bool working = true; working;) {
    nap(2000);
    if (seconds() >= end) stopping = true;
    working = false;
    for (size_t i = 0; i < workers.size(); ++i) {
      if (!workers[i]->finished) working = true;
      const uint64_t rounds = workers[i]->rounds;
      if (rounds != progress[i].first) progress[i] = {rounds, seconds()};
      if (!workers[i]->finished && seconds() - progress[i].second > kStallSeconds)
        fail("worker %zu hangs in \"%s\"", i, workers[i]->doing.load());
    }
    Worker& worker = *workers[turn++ % workers.size()];
    // Its thread is there until it is joined.
    if (worker.ready) pthread_kill(worker.handle, turn % 2 ? SIGUSR1 : SIGALRM);
  }
}

void count_interruption(int) {
  ++interruptions;
}

void run_workers(int count, uint64_t seed, int duration) {
  stopping = false;
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < count; ++i) {
    workers.push_back(std::make_unique<Worker>());
    workers.back()->random = seed * 2654435761u + static_cast<uint64_t>(i) * 97 + 1;
  }
  for (auto& worker : workers) worker->thread = std::thread([&worker] { work(*worker); });
  watch(workers, seconds() + duration);
  for (auto& worker : workers) worker->thread.join();
  uint64_t rounds = 0;
  for (auto& worker : workers) rounds += worker->rounds;
  printf("stress: %ju rounds, %ju children, %ju interruptions\n", uintmax_t(rounds),
         uintmax_t(children.load()), uintmax_t(interruptions.load()));
}

void expect_no_children() {
  int status = 0;
  const pid_t left = waitpid(-1, &status, WNOHANG);
  if (left != -1 || errno != ECHILD) fail("child %d is left with status %x", left, status);
}

int run(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], kFineArgument) == 0) return kFine;
  const int duration = argc > 1 ? atoi(argv[1]) : 20;
  const int count = argc > 2 ? atoi(argv[2]) : 4;
  const uint64_t seed = argc > 3 ? strtoull(argv[3], nullptr, 10) : 20240229;
  setvbuf(stdout, nullptr, _IOLBF, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  struct sigaction action{};
  action.sa_handler = count_interruption;
  sigaction(SIGUSR1, &action, nullptr);
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);

  // What is made once and kept (stacks and arenas of the C library's) is made before memory is
  // counted.
  Worker first;
  first.random = seed;
  for (const Step& step : kSteps) run_step(first, step);
  run_workers(count, seed, duration / 4 + 1);
  expect_no_children();
  const int64_t before = free_kib();
  run_workers(count, seed + 1, duration);
  expect_no_children();
  const int64_t after = free_kib();
  printf("stress: free memory %jd KiB before, %jd KiB after\n", intmax_t(before), intmax_t(after));
  constexpr int64_t kTolerance = 1024;
  if (getpid() == 1 && after < before - kTolerance)
    fail("%jd KiB are lost", intmax_t(before - after));
  puts("stress: ok");
  return 0;
}

}  // namespace
}  // namespace stress

int main(int argc, char** argv) {
  return stress::run(argc, argv);
}
