#include "tools/narwhal/outcome.h"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "tools/base/error.h"

namespace narwhal::tools {

namespace {

constexpr int kHighestStatus = 255;
constexpr int kHighestSignal = 64;
constexpr int kSignalBase = 128;    // a shell's $? for a program that a signal ended
constexpr size_t kLogTail = 64;     // lines; all that a panic says
constexpr size_t kMostTold = 1000;  // of each kind

std::optional<int> number(std::string_view text, int lowest, int highest) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < lowest || value > highest) return std::nullopt;
  return value;
}

std::string log_tail(const Outcome& outcome) {
  if (outcome.kernel_log.empty()) return "narwhal: the kernel wrote nothing to its log\n";
  std::string text = "narwhal: the end of the kernel's log:\n";
  const size_t count = outcome.kernel_log.size();
  for (size_t i = count - std::min(count, kLogTail); i < count; ++i) {
    text += "  " + outcome.kernel_log[i] + "\n";
  }
  return text;
}

std::string how_machine_ended(const Outcome& outcome) {
  const int status = outcome.qemu_status;
  const std::string_view who = outcome.is_process ? "its kernel's process" : "QEMU";
  if (!WIFSIGNALED(status)) return fmt::format("{} ended with status {}", who, WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  return fmt::format(
      "{} was killed by signal {} ({}){}", who, signal, strsignal(signal),
      signal == SIGKILL ? ", by somebody or because this machine has no memory left" : "");
}

// The process home's filter ends a process like this. What the guest told before is no proof.
bool broke_out(const Outcome& outcome) {
  return outcome.is_process && WIFSIGNALED(outcome.qemu_status) &&
         WTERMSIG(outcome.qemu_status) == SIGSYS;
}

// What QEMU's words mean, where our checks could not know it in time.
std::string qemu_said(std::string_view errors) {
  constexpr std::string_view kForward = "Could not set up host forwarding rule '";
  if (const size_t at = errors.find(kForward); at != errors.npos) {
    const std::string_view rule = errors.substr(at + kForward.size());
    return fmt::format(
        "the port of {} was taken while the machine started; stop what listens "
        "there, or take another one with -p",
        rule.substr(0, rule.find('\'')));
  }
  if (errors.find("cannot set up guest memory") != errors.npos)
    return "this machine does not have the memory that -m asks for; ask for less";
  return "";
}

// "DIRECT CAUGHT REWRITTEN"; empty when it is something else.
// As the kernel prints it: 0x and digits.
std::optional<uint64_t> address(std::string_view text) {
  if (!text.starts_with("0x")) return std::nullopt;
  text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string in_words(std::string_view counts) {
  std::istringstream words{std::string(counts)};
  uint64_t direct = 0, caught = 0, rewritten = 0;
  if (!(words >> direct >> caught >> rewritten)) return "";
  return fmt::format("{} direct, from {} places; {} caught by the host", direct, rewritten, caught);
}

Report report_failure(const Outcome& outcome, std::string_view program) {
  Report report;
  report.status = kFailed;
  if (outcome.panic) {
    report.text = fmt::format("narwhal: the kernel panicked: {}\n", *outcome.panic);
    report.text += log_tail(outcome);
    report.text +=
        "narwhal: this is a fault of narwhal's, not of the program's; run it again with "
        "--kernel-log=debug and --strace to see what led to it\n";
    return report;
  }
  // QEMU's own words explain themselves: a port in use, a network that is not there, an unknown
  // option.
  if (const std::string meaning = qemu_said(outcome.qemu_errors); !meaning.empty()) {
    report.text = fmt::format("narwhal: {}\n", meaning);
    return report;
  }
  if (!outcome.qemu_errors.empty()) {
    report.text = fmt::format("narwhal: {} says:\n", outcome.is_process ? "the kernel" : "QEMU");
    std::string_view rest = outcome.qemu_errors;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      report.text += fmt::format("  {}\n", rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  report.text +=
      fmt::format("narwhal: {} {}; {}\n", program,
                  outcome.started ? "was cut off" : "was not started", how_machine_ended(outcome));
  report.text += log_tail(outcome);
  report.text += fmt::format(
      "narwhal: --dry-run shows how {} was started; --kernel-log=debug shows more of the kernel's "
      "log\n",
      outcome.is_process ? "it" : "QEMU");
  return report;
}

}  // namespace

std::string printable(std::string_view line) {
  std::string text(line);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    // U+0080 to U+009F are control characters, too.
    const bool is_second_set = byte == 0xc2 && next >= 0x80 && next < 0xa0;
    if (is_second_set) text.erase(i + 1, 1);
    if (byte < ' ' || byte == 0x7f || is_second_set) text[i] = '?';
  }
  return text;
}

void Outcome::take_control_line(std::string_view line) {
  const auto keep = [](std::vector<std::string>& all, std::string_view told) {
    if (all.size() < kMostTold) all.push_back(printable(told));
  };
  const size_t blank = line.find(' ');
  const std::string_view word = line.substr(0, blank);
  const std::string_view rest =
      blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
  if (word == "started") {
    started = true;
  } else if (word == "debugger") {
    waiting_at = address(rest);
  } else if (word == "error") {
    keep(errors, rest);
  } else if (word == "missing") {
    keep(missing, rest.substr(0, rest.find(' ')));
  } else if (word == "absent") {
    keep(absent, rest);
  } else if (word == "calls") {
    calls = in_words(rest);
  } else if (word == "exit" && !is_complete()) {
    exit_status = number(rest, 0, kHighestStatus);
  } else if (word == "killed" && !is_complete()) {
    killed_by = number(rest, 1, kHighestSignal);
  }
}

void Outcome::take_kernel_line(std::string_view line) {
  constexpr std::string_view kMark = "] narwhal: error: panic: ";
  const size_t at = line.find(kMark);
  if (at != std::string_view::npos && !panic) panic = printable(line.substr(at + kMark.size()));
  constexpr std::string_view kKill = "out of memory: killed process ";
  constexpr size_t kMostKills = 10;
  const size_t kill = line.find(kKill);
  if (kill != std::string_view::npos && kills.size() < kMostKills)
    kills.push_back(printable(line.substr(kill)));
}

Report make_report(const Outcome& outcome, std::string_view program, bool verbose,
                   bool for_people) {
  if (broke_out(outcome)) {
    return {kSignalBase + SIGSYS,
            fmt::format("narwhal: {} asked the host for something that is forbidden, and was ended "
                        "by it (docs/host-calls.md lists what is allowed)\n",
                        program)};
  }
  if (outcome.stopped_by_user && !outcome.is_complete()) {
    return {kSignalBase + outcome.stop_signal,
            fmt::format("narwhal: {} did not react; the machine was switched off\n", program)};
  }
  if (outcome.panic || !outcome.is_complete()) return report_failure(outcome, program);

  Report report;
  for (const std::string& error : outcome.errors) {
    report.text += fmt::format("narwhal: {}: {}\n", program, error);
  }
  // A process that the kernel ended for want of memory: its status alone does not say why.
  for (const std::string& kill : outcome.kills) {
    report.text += fmt::format("narwhal: {}; give the machine more with -m\n", kill);
  }
  if (outcome.killed_by) {
    report.status = kSignalBase + *outcome.killed_by;
    if (for_people) {
      report.text += fmt::format("narwhal: {} was ended by signal {} ({})\n", program,
                                 *outcome.killed_by, strsignal(*outcome.killed_by));
    }
  } else {
    report.status = *outcome.exit_status;
  }
  if (!outcome.missing.empty() && (verbose || report.status != 0)) {
    std::string names;
    for (const std::string& name : outcome.missing) names += (names.empty() ? "" : ", ") + name;
    report.text += fmt::format("narwhal: {} made system calls that narwhal does not have: {}\n",
                               program, names);
  }
  if (!outcome.calls.empty() && verbose)
    report.text += fmt::format("narwhal: system calls: {}\n", outcome.calls);
  return report;
}

}  // namespace narwhal::tools
