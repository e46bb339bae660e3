// An LTP on this machine: which tests it has, and where their programs are.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace narwhal::tools {

struct TestCase {
  std::string suite;
  std::string tag;
  std::string command;
};

// The lines of a file in LTP's runtest folder: "tag command arguments...", empty ones, and comments
// after #.
std::vector<TestCase> parse_suite(const std::string& suite, std::string_view text);

// The tests whose tag matches one of `only` (all, when there is none) and none of `skipped`:
// patterns as in a shell.
std::vector<TestCase> select_tests(const std::vector<TestCase>& all,
                                   const std::vector<std::string>& only,
                                   const std::vector<std::string>& skipped);

struct Ltp {
  std::string root;  // absolute, without symbolic links
  std::vector<TestCase> tests;
  // Names of programs and where they lie below the root; empty for an installed LTP, which has all
  // in testcases/bin.
  std::map<std::string, std::string> programs;
  std::string fingerprint;  // changes with the programs and the suites
};

// Looks at an installed LTP or a built source tree. Throws Error, with advice, when it is neither,
// or has no such suite.
Ltp find_ltp(const std::string& folder, const std::vector<std::string>& suites);

}  // namespace narwhal::tools
