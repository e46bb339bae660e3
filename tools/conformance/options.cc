#include "tools/conformance/options.h"

#include <stdio.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/base/cli.h"
#include "tools/base/error.h"

namespace narwhal::tools {

namespace {

constexpr char kFooter[] =
    "Each test runs natively, in namespaces of its own (as root), and in the guest; the table says "
    "what it did in both.\n"
    "The native results are kept; only tests that have none yet, or whose LTP has changed, run "
    "again.\n\n"
    "Exit status: 0 when at least --at-least percent of the tests that pass natively pass in the "
    "guest, 1 when not,\n"
    "125 when the comparison could not be made.\n\n"
    "Example:\n"
    "  narwhal conformance --ltp /opt/ltp --only 'fork*' --output forks.md\n";

class Formatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: narwhal conformance --ltp DIR [OPTIONS]\n";
  }
};

}  // namespace

ConformanceOptions parse_conformance(int argc, const char* const* argv) {
  ConformanceOptions options;
  std::vector<std::string> environment;
  bool without_native = false;
  CLI::App app("Runs the Linux Test Project natively and in the guest, and compares.",
               "conformance");
  app.footer(kFooter);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  const auto formatter = std::make_shared<Formatter>();
  formatter->column_width(34);
  app.formatter(formatter);

  const std::string tests = "Tests";
  app.add_option("--ltp", options.ltp, "LTP as installed, or its source tree as built")
      ->type_name("DIR")
      ->group(tests);
  add_list(app, "--suite", options.suites, "NAME", "A file of DIR/runtest (default syscalls)",
           tests);
  add_list(app, "--only", options.only, "PATTERN", "Only tests whose name matches", tests);
  add_list(app, "--skip", options.skipped, "PATTERN", "No tests whose name matches", tests);
  add_list(app, "-e,--env", environment, "NAME[=VALUE]",
           "Set an environment variable for the tests", tests);
  app.add_option("--time-limit", options.seconds, "For one test, natively (default 60)")
      ->type_name("SECONDS")
      ->check(CLI::Range(1.0, 86400.0))
      ->group(tests);
  app.add_option("--slower", options.slower,
                 "Times as long in the guest (default 1, in software emulation 2)")
      ->type_name("FACTOR")
      ->check(CLI::Range(1.0, 1000.0))
      ->group(tests);

  const std::string results = "Results";
  app.add_option("--output", options.output,
                 "Write the table as Markdown, and beside it as JSON (.json)")
      ->type_name("FILE")
      ->group(results);
  app.add_option("--at-least", options.at_least, "What must pass (default 100)")
      ->type_name("PERCENT")
      ->check(CLI::Range(0.0, 100.0))
      ->group(results);
  app.add_option("--native-results", options.native_results,
                 "Where these are kept (default ~/.cache/narwhal/conformance-...json)")
      ->type_name("FILE")
      ->group(results);
  app.add_flag("--native-again", options.runs_native_again,
               "Run the tests natively although there are results")
      ->group(results);
  app.add_flag("--without-native", without_native, "Run them in the guest only")->group(results);
  app.add_flag("--verbose", options.verbose, "A line for each test when it ends")->group(results);

  const std::string machine = "Machine";
  app.add_option("--jobs", options.guests, "Guests at once (default 1)")
      ->type_name("N")
      ->check(CLI::Range(1, 256))
      ->group(machine);
  app.add_option("-m,--memory", options.memory, "A guest's memory (default 4G)")
      ->type_name("SIZE")
      ->group(machine);
  app.add_option("--cpus", options.processors, "A guest's processors (default 1)")
      ->type_name("N")
      ->check(CLI::Range(1, 255))
      ->group(machine);
  app.add_option("--platform", options.platform, "vm (default) or process")
      ->type_name("KIND")
      ->check(CLI::IsMember({"vm", "process"}))
      ->group(machine);
  app.add_option("--accel", options.accelerator, "auto (default), kvm, or tcg")
      ->type_name("KIND")
      ->check(CLI::IsMember({"auto", "kvm", "tcg"}))
      ->group(machine);
  app.add_option("--kernel", options.kernel, "The kernel's image (default: as it was built)")
      ->type_name("PATH")
      ->group(machine);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fputs(app.help().c_str(), stdout);
    options.wants_help = true;
    return options;
  } catch (const CLI::ParseError& error) {
    fail("{}; narwhal conformance --help shows what there is", complaint(error));
  }
  if (options.ltp.empty()) {
    fail("narwhal conformance: which LTP? Write narwhal conformance --ltp DIR");
  }
  if (without_native && options.runs_native_again) {
    fail("--without-native and --native-again contradict each other");
  }
  if (options.platform == "process" && options.accelerator != "auto") {
    fail("--accel is for --platform vm");
  }
  options.runs_native = !without_native;
  parse_memory(options.memory);
  for (const std::string& text : environment) {
    options.environment.push_back(
        parse_environment(text, [](const char* name) -> const char* { return getenv(name); }));
  }
  if (options.suites.empty()) options.suites = {"syscalls"};
  return options;
}

}  // namespace narwhal::tools
