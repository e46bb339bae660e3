// One measured operation: run it often enough for the clock, several times over, and print the best
// time for one.
#pragma once

#include <vector>

namespace narwhal::bench {

struct Row {
  const char* name;
  // Does the operation this many times. Returns how many nanoseconds that took, by now(); so what
  // it needs beforehand and afterwards does not count.
  long long (*run)(long long times);
};

// The monotonic clock, in nanoseconds.
long long now();

// Ends the program with a message when an operation that must work did not.
void require(bool ok, const char* what);

std::vector<Row> call_rows();
std::vector<Row> file_rows();
std::vector<Row> memory_rows();
std::vector<Row> thread_rows();
std::vector<Row> process_rows();

// As the only argument: end at once, with status 0.
inline constexpr char kDoNothing[] = "--nothing";

}  // namespace narwhal::bench
