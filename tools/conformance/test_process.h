// One test as a process: run by a shell, watched, and cleared away with everything that it started.
#pragma once

#include <map>
#include <string>

#include "tools/conformance/protocol.h"

namespace narwhal::tools {

// Keeps a text's start and end within a bound.
class BoundedText {
 public:
  void add(std::string_view text);
  std::string take();

 private:
  static constexpr size_t kStart = 8 << 10;
  static constexpr size_t kEnd = 24 << 10;

  std::string start_;
  std::string end_;
  bool has_gap_ = false;
};

class TestProcesses {
 public:
  // Makes this process the one that orphans of its tests come to. As process 1 of its namespace or
  // machine it may end everything else there.
  TestProcesses();

  // Runs `command` by /bin/sh in a session of its own, in `folder`, with nothing but `environment`,
  // and with an empty input. Past `seconds` it is killed. Returns when it has ended and everything
  // left over from it is dead.
  TestResult run(const std::string& command, const std::map<std::string, std::string>& environment,
                 const std::string& folder, double seconds);

 private:
  bool end_left_overs();
  void kill_all();

  bool is_init_;
};

}  // namespace narwhal::tools
