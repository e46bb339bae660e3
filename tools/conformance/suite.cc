#include "tools/conformance/suite.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/conformance/fingerprint.h"

namespace narwhal::tools {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSpace = " \t\r";

std::string_view trimmed(std::string_view text) {
  const size_t start = text.find_first_not_of(kSpace);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(kSpace) - start + 1);
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (at->is_regular_file(error)) files.push_back(at->path());
  }
  std::ranges::sort(files);
  return files;
}

bool is_executable(const struct stat& status) {
  return (status.st_mode & 0111) != 0;
}

std::string names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  std::string text;
  for (const std::string& name : names) {
    if (text.size() > 300) return text + ", ...";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace

std::vector<TestCase> parse_suite(const std::string& suite, std::string_view text) {
  std::vector<TestCase> tests;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.find_first_of(kSpace);
    TestCase test = {suite, std::string(line.substr(0, space)), ""};
    // A lonely tag is its own command.
    test.command = space == std::string_view::npos ? test.tag : trimmed(line.substr(space));
    tests.push_back(std::move(test));
  }
  return tests;
}

std::vector<TestCase> select_tests(const std::vector<TestCase>& all,
                                   const std::vector<std::string>& only,
                                   const std::vector<std::string>& skipped) {
  const auto matches = [](const TestCase& test, const std::vector<std::string>& patterns) {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) {
      return fnmatch(pattern.c_str(), test.tag.c_str(), 0) == 0;
    });
  };
  std::vector<TestCase> chosen;
  for (const TestCase& test : all) {
    if ((only.empty() || matches(test, only)) && !matches(test, skipped)) chosen.push_back(test);
  }
  return chosen;
}

Ltp find_ltp(const std::string& folder, const std::vector<std::string>& suites) {
  char root[PATH_MAX];
  if (realpath(folder.c_str(), root) == nullptr) fail("--ltp {}: {}", folder, strerror(errno));
  Ltp ltp;
  ltp.root = root;
  const fs::path runtest = fs::path(root) / "runtest";
  if (!fs::is_directory(runtest)) {
    fail(
        "--ltp {}: this is neither an installed LTP nor its built source: there is no runtest/ in "
        "it",
        folder);
  }
  Fingerprint fingerprint;
  for (const std::string& suite : suites) {
    const std::optional<std::string> text =
        suite.find('/') == std::string::npos ? read_file(runtest / suite) : std::nullopt;
    if (!text) fail("--suite {}: {} has {}", suite, runtest.string(), names_in(runtest));
    const std::vector<TestCase> tests = parse_suite(suite, *text);
    ltp.tests.insert(ltp.tests.end(), tests.begin(), tests.end());
  }

  const fs::path installed = fs::path(root) / "testcases" / "bin";
  const bool is_installed = fs::is_directory(installed) && !fs::is_empty(installed);
  const fs::path searched = is_installed ? installed : fs::path(root) / "testcases";
  bool has_programs = false;
  for (const fs::path& file : files_below(searched)) {
    struct stat status;
    if (stat(file.c_str(), &status) != 0 || !is_executable(status)) continue;
    has_programs = true;
    const std::string place = file.lexically_relative(root);
    fingerprint.add(place);
    fingerprint.add(status.st_size);
    fingerprint.add(status.st_mtim.tv_sec);
    fingerprint.add(status.st_mtim.tv_nsec);
    if (!is_installed) ltp.programs.emplace(file.filename(), place);
  }
  const auto is_built = [&](const TestCase& test) {
    const std::string program = test.command.substr(0, test.command.find_first_of(kSpace));
    return ltp.programs.contains(program);
  };
  // Source trees have scripts that are executable before anything is built.
  if (!has_programs || (!is_installed && std::ranges::none_of(ltp.tests, is_built))) {
    fail("--ltp {}: no test programs in {}; build LTP there first (docs/conformance.md says how)",
         folder, searched.string());
  }
  ltp.fingerprint = fingerprint.text();
  return ltp;
}

}  // namespace narwhal::tools
