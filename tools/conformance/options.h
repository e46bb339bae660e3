// The command line of `narwhal conformance`: what its --help says.
#pragma once

#include <string>
#include <vector>

#include "tools/narwhal/accelerator.h"
#include "tools/narwhal/values.h"

namespace narwhal::tools {

struct ConformanceOptions {
  bool wants_help = false;  // which has been printed
  std::string ltp;
  std::vector<std::string> suites;
  std::vector<std::string> only;
  std::vector<std::string> skipped;
  Environment environment;
  double seconds = 60;
  double slower = 0;  // 0: as the accelerator makes it
  bool runs_native = true;
  bool runs_native_again = false;
  std::string native_results;
  std::string output;
  double at_least = 100;
  unsigned guests = 1;
  std::string memory = "4G";
  unsigned processors = 1;
  std::string platform = "vm";
  std::string accelerator = "auto";
  std::string kernel;
  bool verbose = false;
};

// `argv[0]` is "conformance". Throws Error.
ConformanceOptions parse_conformance(int argc, const char* const* argv);

}  // namespace narwhal::tools
