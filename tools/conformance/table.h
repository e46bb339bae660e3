// The comparison: what each test did natively and in the guest, and what that adds up to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/conformance/suite.h"
#include "tools/conformance/verdict.h"

namespace narwhal::tools {

struct Row {
  TestCase test;
  std::optional<Judgement> native;  // none: not run
  std::optional<Judgement> guest;

  bool differs() const {
    return native.has_value() && guest.has_value() && native->verdict != guest->verdict;
  }
};

struct Totals {
  size_t tests = 0;
  size_t native_passes = 0;  // of those that the guest has run
  size_t both_pass = 0;
  size_t differ = 0;

  // Of those that pass natively; 100 when none does.
  double percent() const;
};

struct Table {
  std::vector<Row> rows;
  std::vector<std::string> notes;

  Totals totals() const;

  std::string as_markdown() const;
  std::string as_json() const;
  std::string as_text() const;
};

}  // namespace narwhal::tools
