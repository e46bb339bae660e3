// Runners at work: each is given one test after the other until none is left.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/conformance/protocol.h"

namespace narwhal::tools {

struct CrewSettings {
  std::vector<std::string> command;  // starts a runner, on this machine or in a guest
  unsigned runners = 1;              // at once
  double seconds_to_start = 120;
  // A runner ends a test that takes too long by itself. After this time it is itself taken for
  // stuck.
  double seconds_to_answer = 120;
};

struct CrewReport {
  std::vector<std::string> notes;  // of the first runner
  size_t started = 0;              // runners that came to be ready
};

// Called once for each job, in the order in which they end.
using TakeResult = std::function<void(size_t job, const TestResult& result)>;

// Runs all of them. A runner that ends in the middle of a test gives that test a result with its
// last words, and another one takes its place. Throws Error, with what the runner said, when one
// does not even start.
CrewReport run_crew(const CrewSettings& settings, const RunnerSettings& runner_settings,
                    const std::vector<TestJob>& jobs, const TakeResult& take);

// From everything that a runner's standard error had: the line that says why it ended.
std::string last_words(std::string_view errors, int status);

}  // namespace narwhal::tools
