#include "tools/conformance/native_results.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/base/unique_fd.h"

namespace narwhal::tools {

namespace {

using Json = nlohmann::json;

std::string key_of(const TestCase& test) {
  return test.suite + " " + test.tag + " " + test.command;
}

}  // namespace

NativeResults::NativeResults(std::string path, std::string fingerprint)
    : path_(std::move(path)), fingerprint_(std::move(fingerprint)) {
  const std::optional<std::string> text = read_file(path_);
  if (!text) return;
  try {
    const Json json = Json::parse(*text);
    if (json.at("fingerprint") != fingerprint_) return;
    for (const auto& [key, value] : json.at("results").items()) {
      results_[key] = {static_cast<Verdict>(value.at("verdict").get<int>()),
                       value.at("reason").get<std::string>(), value.at("seconds").get<double>()};
    }
  } catch (const Json::exception& error) {
    fail(
        "{} holds no results of a native run ({}); remove it, or name another file with "
        "--native-results",
        path_, error.what());
  }
}

std::optional<Judgement> NativeResults::find(const TestCase& test) const {
  const auto at = results_.find(key_of(test));
  if (at == results_.end()) return std::nullopt;
  return at->second;
}

void NativeResults::add(const TestCase& test, const Judgement& judgement) {
  results_[key_of(test)] = judgement;
}

void NativeResults::write() const {
  Json results = Json::object();
  for (const auto& [key, judgement] : results_) {
    results[key] = {{"verdict", static_cast<int>(judgement.verdict)},
                    {"reason", judgement.reason},
                    {"seconds", judgement.seconds}};
  }
  const Json whole = {{"fingerprint", fingerprint_}, {"results", std::move(results)}};
  replace_file(path_, whole.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string default_results_path(const std::string& fingerprint) {
  const char* const cache = getenv("XDG_CACHE_HOME");
  const char* const home = getenv("HOME");
  const std::string folder = cache != nullptr && *cache == '/' ? cache
                             : home != nullptr                 ? std::string(home) + "/.cache"
                                                               : "/var/tmp";
  return folder + "/narwhal/conformance-" + fingerprint + ".json";
}

void replace_file(const std::string& path, const std::string& text) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code ignored;
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
  const std::string beside = path + ".new";
  const UniqueFd fd(open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd || !write_all(fd.get(), text) || rename(beside.c_str(), path.c_str()) != 0) {
    fail("cannot write {}: {}", path, strerror(errno));
  }
}

}  // namespace narwhal::tools
