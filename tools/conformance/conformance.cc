#include "tools/conformance/conformance.h"

#include <errno.h>
#include <fmt/format.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tools/base/companion.h"
#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/base/host_view.h"
#include "tools/conformance/crew.h"
#include "tools/conformance/fingerprint.h"
#include "tools/conformance/native_results.h"
#include "tools/conformance/options.h"
#include "tools/conformance/suite.h"
#include "tools/conformance/table.h"
#include "tools/narwhal/checks.h"
#include "tools/narwhal/progress.h"

namespace narwhal::tools {

namespace {

constexpr char kGuestRoot[] = "/opt/ltp";
constexpr double kEmulationFactor = 2;
// Beyond a test's own limit: for a runner that clears away, and for one that is given little time.
constexpr double kSecondsOfGrace = 45;
constexpr double kSecondsBetweenTables = 20;

// What LTP's scripts, and the commands that its programs start, look for. Those that this machine
// has are packed.
constexpr const char* kTools[] = {
    "[",     "awk",      "basename", "bash",    "cat",      "chgrp",     "chmod",     "chown",
    "cmp",   "cp",       "cut",      "date",    "dd",       "debugfs",   "df",        "dirname",
    "dmesg", "e4crypt",  "echo",     "env",     "expr",     "false",     "find",      "getent",
    "grep",  "groupdel", "gzip",     "head",    "hostname", "id",        "ip",        "kill",
    "ln",    "losetup",  "ls",       "mkdir",   "mkfifo",   "mkfs.ext2", "mkfs.ext3", "mkfs.ext4",
    "mknod", "mkswap",   "mktemp",   "mount",   "mv",       "od",        "printf",    "ps",
    "pwd",   "readlink", "rm",       "rmdir",   "sed",      "seq",       "sh",        "sleep",
    "sort",  "stat",     "stty",     "swapoff", "swapon",   "sync",      "sysctl",    "tail",
    "tee",   "test",     "timeout",  "touch",   "tr",       "true",      "tune2fs",   "umount",
    "uname", "uniq",     "useradd",  "userdel", "wc",       "which",     "xargs",     "zcat"};

void say(const std::string& text) {
  write_all(STDERR_FILENO, "narwhal: " + text + "\n");
}

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

std::string own_path() {
  char path[PATH_MAX];
  if (realpath("/proc/self/exe", path) == nullptr) fail("/proc/self/exe: {}", strerror(errno));
  return path;
}

std::string find_runner(const std::string& command_name) {
  const std::string place =
      find_companion(command_name, "tools/conformance/runner", "conformance-runner");
  char path[PATH_MAX];
  if (access(place.c_str(), X_OK) == 0 && realpath(place.c_str(), path) != nullptr) return path;
  fail("the tests' runner was not found; build it (bazel build //tools/conformance:runner)");
}

std::string find_tool(const std::string& name) {
  for (const char* const folder : {"/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"}) {
    std::string path = folder + name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

class Comparison {
 public:
  Comparison(const std::string& command_name, const ConformanceOptions& options)
      : options_(options),
        ltp_(find_ltp(options.ltp, options.suites)),
        runner_(find_runner(command_name)),
        kernel_(find_kernel(options.kernel, command_name, is_process())) {
    for (TestCase& test : select_tests(ltp_.tests, options.only, options.skipped)) {
      table_.rows.push_back({std::move(test), {}, {}});
    }
    if (table_.rows.empty()) fail("no test's name matches --only and --skip");
  }

  int run() {
    const double start = now();
    if (options_.runs_native) run_natively();
    const double middle = now();
    run_in_guests();
    say(fmt::format("{:.0f} s natively, {:.0f} s in guests", middle - start, now() - middle));
    write_table();
    write_all(STDOUT_FILENO, table_.as_text());
    return table_.totals().percent() >= options_.at_least ? 0 : 1;
  }

 private:
  RunnerSettings runner_settings(const std::string& root, double factor) const {
    RunnerSettings settings;
    settings.root = root;
    settings.programs = ltp_.programs;
    settings.seconds = options_.seconds * factor;
    settings.environment = {
        {"LANG", "C"},
        {"LTP_COLORIZE_OUTPUT", "n"},
        // Tests that do something as often as they can in a given time need not take all of it to
        // tell what they found.
        {"LTP_RUNTIME_MUL", "0.2"},
        {"LTP_TIMEOUT_MUL", fmt::format("{}", factor)},
        // The kernel's configuration is what tests ask before they try; here they try.
        {"KCONFIG_SKIP_CHECK", "1"},
    };
    for (const auto& [name, value] : options_.environment) settings.environment[name] = value;
    return settings;
  }

  // What native results depend on besides the test.
  std::string conditions() const {
    utsname system;
    uname(&system);
    Fingerprint fingerprint;
    fingerprint.add(ltp_.fingerprint);
    fingerprint.add(system.release);
    fingerprint.add(int64_t{kRunnerVersion});
    fingerprint.add(to_line(runner_settings(ltp_.root, 1)));
    return fingerprint.text();
  }

  void run_natively() {
    const std::string path = options_.native_results.empty()
                                 ? default_results_path(ltp_.fingerprint)
                                 : options_.native_results;
    NativeResults results(path, conditions());
    std::vector<size_t> missing;
    for (size_t i = 0; i < table_.rows.size(); ++i) {
      Row& row = table_.rows[i];
      if (!options_.runs_native_again) row.native = results.find(row.test);
      if (!row.native) missing.push_back(i);
    }
    if (missing.empty()) {
      say(fmt::format("native results: {}", path));
      return;
    }
    if (geteuid() != 0) {
      fail(
          "{} tests have no native results in {}: making them needs root, because tests change "
          "whatever they like in namespaces of their own; run this as root once, or compare "
          "nothing with --without-native",
          missing.size(), path);
    }
    CrewSettings crew;
    crew.command = {runner_, "--isolated"};
    crew.seconds_to_answer = options_.seconds + kSecondsOfGrace;
    const CrewReport report = run_tests(
        "natively", crew, runner_settings(ltp_.root, 1), missing,
        [&](Row& row, const Judgement& judgement) {
          row.native = judgement;
          results.add(row.test, judgement);
        },
        [&] { results.write(); });
    results.write();
    for (const std::string& note : report.notes) say(note);
    say(fmt::format("native results are kept in {}", path));
  }

  bool is_process() const { return options_.platform == "process"; }

  void run_in_guests() {
    double factor = options_.slower;
    if (factor == 0 && is_process()) factor = 1;
    if (factor == 0) {
      const AcceleratorWish wish = options_.accelerator == "kvm"   ? AcceleratorWish::kKvm
                                   : options_.accelerator == "tcg" ? AcceleratorWish::kTcg
                                                                   : AcceleratorWish::kAuto;
      factor = choose_accelerator(wish, look_at_machine()).is_kvm ? 1 : kEmulationFactor;
    }
    CrewSettings crew;
    crew.command = guest_command();
    crew.runners = options_.guests;
    crew.seconds_to_answer = options_.seconds * factor + kSecondsOfGrace;
    std::vector<size_t> all;
    for (size_t i = 0; i < table_.rows.size(); ++i) all.push_back(i);
    RunnerSettings settings = runner_settings(kGuestRoot, factor);
    // LTP asks a program that is not there whether this is a virtual machine, where it gives timers
    // more room.
    settings.environment.emplace("LTP_VIRT_OVERRIDE", "kvm");
    // No file system of a block device can be mounted: tests that want any take this one.
    settings.environment.emplace("LTP_DEV_FS_TYPE", "tmpfs");
    const CrewReport report = run_tests(
        "in the guest", crew, settings, all,
        [](Row& row, const Judgement& judgement) { row.guest = judgement; },
        [this] { write_table(); });
    say(fmt::format("{} guest{} booted", report.started, report.started == 1 ? "" : "s"));
  }

  std::vector<std::string> guest_command() const {
    if (ltp_.root.find(':') != std::string::npos) {
      fail("--ltp {}: a folder with a colon in its name cannot be shown to a guest", ltp_.root);
    }
    std::vector<std::string> command = {
        own_path(),   "run",
        "-m",         options_.memory,
        "--cpus",     std::to_string(options_.processors),
        "--platform", options_.platform,
        "--accel",    options_.accelerator,
        "--kernel",   kernel_,
        "-v",         fmt::format("{}:{}:ro", ltp_.root, kGuestRoot)};
    for (const char* const name : kTools) {
      const std::string path = find_tool(name);
      if (path.empty()) continue;
      command.push_back("--include");
      command.push_back(path);
    }
    command.push_back("--");
    command.push_back(runner_);
    return command;
  }

  template <typename Take, typename Save>
  CrewReport run_tests(std::string_view where, const CrewSettings& crew,
                       const RunnerSettings& settings, const std::vector<size_t>& chosen,
                       const Take& take, const Save& save) {
    std::vector<TestJob> jobs;
    for (const size_t index : chosen) {
      const TestCase& test = table_.rows[index].test;
      jobs.push_back({test.tag, test.command});
    }
    say(fmt::format("{}: {} test{}", where, jobs.size(), jobs.size() == 1 ? "" : "s"));
    Progress progress;
    size_t done = 0;
    double last_save = now();
    CrewReport report = run_crew(crew, settings, jobs, [&](size_t job, const TestResult& result) {
      Row& row = table_.rows[chosen[job]];
      const Judgement judgement = judge(result);
      take(row, judgement);
      ++done;
      if (options_.verbose) {
        progress.clear();
        say(fmt::format("{} {}/{} {}: {} in {:.1f} s{}{}", where, done, jobs.size(), row.test.tag,
                        name_of(judgement.verdict), judgement.seconds,
                        judgement.reason.empty() ? "" : ": ", judgement.reason));
      }
      progress.show(fmt::format("{}: {} of {}, {}", where, done, jobs.size(), row.test.tag));
      if (now() - last_save > kSecondsBetweenTables) {
        save();
        last_save = now();
      }
    });
    return report;
  }

  void write_table() const {
    if (options_.output.empty()) return;
    replace_file(options_.output, table_.as_markdown());
    replace_file(std::filesystem::path(options_.output).replace_extension(".json"),
                 table_.as_json());
  }

  const ConformanceOptions& options_;
  Ltp ltp_;
  std::string runner_;
  std::string kernel_;
  Table table_;
};

}  // namespace

int conformance(const std::string& command_name, int argc, const char* const* argv) {
  const ConformanceOptions options = parse_conformance(argc, argv);
  if (options.wants_help) return 0;
  return Comparison(command_name, options).run();
}

}  // namespace narwhal::tools
