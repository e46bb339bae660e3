// What the command and the runner say to each other, one JSON object per line. The runner reads its
// settings, says that it is ready, and then reads a test, runs it, and reports on it, until its
// input ends. So the command always knows which test a runner was at when it fell silent.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace narwhal::tools {

// Raised when a change of the runner may change what tests do: native results that were kept count
// no more.
inline constexpr int kRunnerVersion = 1;

// To the runner, first.
struct RunnerSettings {
  std::string root;  // where LTP lies, as the runner sees it
  // Names of programs, and where they lie below `root`, for an LTP that is not installed. Empty:
  // they are in testcases/bin.
  std::map<std::string, std::string> programs;
  std::map<std::string, std::string> environment;  // besides PATH, TMPDIR, LTPROOT and HOME
  double seconds = 60;                             // a test's time limit
};

// From the runner, first.
struct RunnerReady {
  std::vector<std::string> notes;  // what the user should know about the place where the tests run
};

// To the runner.
struct TestJob {
  std::string tag;
  std::string command;  // for a shell
};

// From the runner.
struct TestResult {
  int status = 0;  // as waitpid(2) has it
  bool time_over = false;
  bool left_over = false;  // processes that SIGKILL does not end; the runner ends after such a test
  double seconds = 0;
  std::string output;      // both streams; the middle of a long one is left out
  std::string runner_end;  // the runner ended, or fell silent, during the test: its last words
};

std::string to_line(const RunnerSettings& settings);
std::string to_line(const RunnerReady& ready);
std::string to_line(const TestJob& job);
std::string to_line(const TestResult& result);

// Each throws std::exception for a line that is something else.
RunnerSettings settings_from(std::string_view line);
RunnerReady ready_from(std::string_view line);
TestJob job_from(std::string_view line);
TestResult result_from(std::string_view line);

}  // namespace narwhal::tools
