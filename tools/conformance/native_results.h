// What tests did natively, kept from one run of the command to the next.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tools/conformance/suite.h"
#include "tools/conformance/verdict.h"

namespace narwhal::tools {

class NativeResults {
 public:
  // `fingerprint` says which LTP, under which conditions: what the file has from another one is not
  // used.
  NativeResults(std::string path, std::string fingerprint);

  std::optional<Judgement> find(const TestCase& test) const;
  void add(const TestCase& test, const Judgement& judgement);

  // Throws Error when it cannot.
  void write() const;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::string fingerprint_;
  std::map<std::string, Judgement> results_;  // by suite, tag and command
};

// Where they are kept unless the user says otherwise: $XDG_CACHE_HOME or ~/.cache,
// narwhal/conformance-FINGERPRINT.json.
std::string default_results_path(const std::string& fingerprint);

// Replaces the file at once, never leaving half of it. Throws Error.
void replace_file(const std::string& path, const std::string& text);

}  // namespace narwhal::tools
