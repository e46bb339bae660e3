#include "tools/conformance/verdict.h"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <algorithm>
#include <cctype>

namespace narwhal::tools {

namespace {

constexpr int kFailBit = 1;
constexpr int kBrokenBit = 2;
constexpr int kWarningBit = 4;
constexpr int kNotConfiguredBit = 32;
constexpr int kAllBits = kFailBit | kBrokenBit | kWarningBit | kNotConfiguredBit;
// A shell's own: found but not runnable, not found.
constexpr int kNotRunnable = 126;
constexpr int kNotFound = 127;
// Above these, a shell tells which signal ended its command.
constexpr int kSignalBase = 128;
constexpr size_t kLongestReason = 160;

// One line of plain text: neither control characters nor colours.
std::string plain(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b' && i + 1 < text.size() && text[i + 1] == '[') {
      while (i < text.size() && !isalpha(static_cast<unsigned char>(text[i]))) ++i;
      continue;
    }
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= ' ' && byte != 0x7f) {
      out += text[i];
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string shortened(std::string text) {
  if (text.size() <= kLongestReason) return text;
  size_t end = kLongestReason;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

// The last line that has `mark` in it, from after the mark.
std::string said_after(std::string_view output, std::string_view mark) {
  const size_t at = output.rfind(mark);
  if (at == std::string_view::npos) return "";
  std::string_view rest = output.substr(at + mark.size());
  rest = rest.substr(0, rest.find('\n'));
  const std::string said = plain(rest);
  const size_t start = said.find_first_not_of(": ");
  return start == std::string::npos ? "" : said.substr(start);
}

std::string last_line(std::string_view output) {
  while (!output.empty()) {
    const size_t end = output.rfind('\n');
    const std::string line = plain(end == std::string_view::npos ? output : output.substr(end + 1));
    if (!line.empty()) return line;
    output = end == std::string_view::npos ? std::string_view() : output.substr(0, end);
  }
  return "";
}

std::string reason_of(std::string_view output, std::string_view mark, int status) {
  std::string said = said_after(output, mark);
  if (said.empty()) said = last_line(output);
  if (said.empty()) said = fmt::format("exit status {}", status);
  return shortened(std::move(said));
}

std::string quoted_end(std::string_view output) {
  const std::string line = last_line(output);
  return line.empty() ? "" : "after: " + line;
}

Judgement judge_signal(int signal, std::string_view output) {
  const std::string name = strsignal(signal);
  // Shells say it too.
  while (last_line(output).starts_with(name)) {
    const size_t at = output.rfind(name);
    output = output.substr(0, at);
  }
  const std::string end = quoted_end(output);
  return {Verdict::kCrash, shortened(end.empty() ? name : name + " " + end)};
}

Judgement judge_status(int status, std::string_view output) {
  if (status == 0) return {Verdict::kPass, ""};
  if (status > kSignalBase && status < kSignalBase + NSIG) {
    return judge_signal(status - kSignalBase, output);
  }
  if (status == kNotFound || status == kNotRunnable) {
    return {Verdict::kBroken, reason_of(output, "TBROK", status)};
  }
  // Some programs end with -1, or another number that is no set of LTP's bits.
  if ((status & kFailBit) != 0 || (status & ~kAllBits) != 0) {
    return {Verdict::kFail, reason_of(output, "TFAIL", status)};
  }
  if ((status & kBrokenBit) != 0) return {Verdict::kBroken, reason_of(output, "TBROK", status)};
  if ((status & kNotConfiguredBit) != 0) {
    return {Verdict::kNotConfigured, reason_of(output, "TCONF", status)};
  }
  return {Verdict::kWarning, reason_of(output, "TWARN", status)};
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kFail:
      return "fail";
    case Verdict::kBroken:
      return "broken";
    case Verdict::kNotConfigured:
      return "not configured";
    case Verdict::kWarning:
      return "warning";
    case Verdict::kCrash:
      return "crash";
    case Verdict::kTimeOver:
      return "time over";
    case Verdict::kMachineEnd:
      return "machine ended";
  }
  return "";
}

Judgement judge(const TestResult& result) {
  Judgement judgement;
  if (!result.runner_end.empty()) {
    judgement = {Verdict::kMachineEnd, shortened(plain(result.runner_end))};
  } else if (result.time_over) {
    const std::string end = quoted_end(result.output);
    judgement = {Verdict::kTimeOver, shortened(end.empty() ? "it printed nothing" : end)};
  } else if (WIFSIGNALED(result.status)) {
    judgement = judge_signal(WTERMSIG(result.status), result.output);
  } else {
    judgement = judge_status(WEXITSTATUS(result.status), result.output);
  }
  judgement.seconds = result.seconds;
  return judgement;
}

}  // namespace narwhal::tools
