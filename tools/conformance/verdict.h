// What a test's end means.
#pragma once

#include <string>
#include <string_view>

#include "tools/conformance/protocol.h"

namespace narwhal::tools {

enum class Verdict {
  kPass,
  kFail,
  kBroken,         // the test could not do what it needed to
  kNotConfigured,  // the test found that this system does not have its subject
  kWarning,        // nothing but warnings
  kCrash,          // a signal ended it
  kTimeOver,
  kMachineEnd,  // the guest, or the native runner, ended or fell silent
};

// "pass", "fail", "broken", "not configured", "warning", "crash", "time over", "machine ended".
std::string_view name_of(Verdict verdict);

struct Judgement {
  Verdict verdict = Verdict::kPass;
  std::string reason;  // a few words; empty for a pass
  double seconds = 0;
};

// LTP's exit statuses are sets of bits (include/tst_res_flags.h there); the reason is the last line
// in which the test itself says that it got this verdict.
Judgement judge(const TestResult& result);

}  // namespace narwhal::tools
