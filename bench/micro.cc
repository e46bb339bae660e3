// micro [NAME...]: prints "NAME NANOSECONDS" for each operation, or for those that are named.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <algorithm>

#include "bench/measure.h"

namespace narwhal::bench {

long long now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

void require(bool ok, const char* what) {
  if (ok) return;
  fprintf(stderr, "micro: %s: %s\n", what, strerror(errno));
  exit(1);
}

namespace {

constexpr long long kLongEnough = 20000000;  // ns of one batch
constexpr int kBatches = 5;

// The best batch: what else the machine did only ever adds time.
double measure(const Row& row) {
  long long times = 1;
  long long taken = row.run(times);
  while (taken < kLongEnough) {
    const long long guess = taken > 0 ? kLongEnough * times / taken + 1 : times * 10;
    times = std::clamp(guess, times * 2, times * 10);
    taken = row.run(times);
  }
  for (int i = 1; i < kBatches; ++i) taken = std::min(taken, row.run(times));
  return static_cast<double>(taken) / static_cast<double>(times);
}

bool is_wanted(const char* name, int argc, char** argv) {
  return argc < 2 ||
         std::any_of(argv + 1, argv + argc, [&](char* word) { return strcmp(word, name) == 0; });
}

}  // namespace
}  // namespace narwhal::bench

int main(int argc, char** argv) {
  using namespace narwhal::bench;
  if (argc == 2 && strcmp(argv[1], kDoNothing) == 0) return 0;
  for (const auto rows : {call_rows, file_rows, memory_rows, thread_rows, process_rows}) {
    for (const Row& row : rows()) {
      if (!is_wanted(row.name, argc, argv)) continue;
      printf("%s %.1f\n", row.name, measure(row));
      fflush(stdout);
    }
  }
}
