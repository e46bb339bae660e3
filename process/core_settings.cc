#include "process/core_settings.h"

#include "kernel/base/format.h"

namespace narwhal {
namespace {

constinit SpinLock<LockRank::kSpinOther> settings_lock;
constinit CorePattern pattern TA_GUARDED_BY(settings_lock) = {"core", 4};
constinit Atomic<bool> uses_pid{false};
constinit Atomic<u32> pipe_limit{0};
constinit Atomic<u32> suid_setting{0};

constexpr usize kMostName = 4096;  // PATH_MAX

// A file's name is one component: no path of the program's choice gets into it.
void add_component(TextSink& out, std::string_view text) {
  if (text == "." || text == "..") {
    out << '!' << text.substr(1);
    return;
  }
  for (const char c : text) out << (c == '/' ? '!' : c);
}

// One letter behind '%'. False: Linux leaves out what it does not know.
bool add_fact(TextSink& out, char letter, const CoreNameFacts& facts) {
  switch (letter) {
    case '%':
      out << '%';
      return true;
    case 'p':
    case 'P':
      out << facts.pid;
      return true;
    case 'i':
    case 'I':
      out << facts.tid;
      return true;
    case 'u':
      out << facts.uid;
      return true;
    case 'g':
      out << facts.gid;
      return true;
    case 'd':
      out << facts.dumpable;
      return true;
    case 's':
      out << i32(facts.signal);
      return true;
    case 't':
      out << facts.wall_clock_seconds;
      return true;
    case 'h':
      add_component(out, facts.host_name);
      return true;
    case 'e':
      add_component(out, facts.command);
      return true;
    case 'f':
      add_component(out, facts.executable.substr(facts.executable.rfind('/') + 1));
      return true;
    case 'E':
      add_component(out, facts.executable);
      return true;
    case 'c':
      out << facts.size_limit;
      return true;
    case 'C':
      out << facts.cpu;
      return true;
    default:
      return false;
  }
}

}  // namespace

CorePattern core_pattern() {
  SpinGuard guard(settings_lock);
  return pattern;
}

void set_core_pattern(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  text = text.substr(0, text.find('\0'));
  CorePattern fresh;
  fresh.size = u8(text.size() < kCorePatternSize ? text.size() : kCorePatternSize - 1);
  std::memcpy(fresh.text, text.data(), fresh.size);
  SpinGuard guard(settings_lock);
  pattern = fresh;
}

bool core_uses_pid() {
  return uses_pid.load(Order::kRelaxed);
}
void set_core_uses_pid(bool uses) {
  uses_pid.store(uses, Order::kRelaxed);
}
u32 core_pipe_limit() {
  return pipe_limit.load(Order::kRelaxed);
}
void set_core_pipe_limit(u32 limit) {
  pipe_limit.store(limit, Order::kRelaxed);
}
u32 suid_dumpable() {
  return suid_setting.load(Order::kRelaxed);
}
void set_suid_dumpable(u32 value) {
  suid_setting.store(value, Order::kRelaxed);
}

namespace {

// Whether the process's number was among the facts.
bool expand(TextSink& out, std::string_view pattern, const CoreNameFacts& facts) {
  bool told_pid = false;
  for (usize i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      out << pattern[i];
    } else if (++i < pattern.size()) {
      add_fact(out, pattern[i], facts);
      told_pid |= pattern[i] == 'p';
    }
  }
  return told_pid;
}

}  // namespace

Result<String> core_file_name(std::string_view pattern, bool with_pid, const CoreNameFacts& facts) {
  Vector<char> buffer;
  TRY(buffer.resize(kMostName));
  TextSink out(buffer.data(), buffer.size());
  // Where nothing else tells apart what different processes leave.
  if (!expand(out, pattern, facts) && with_pid) out << '.' << facts.pid;
  if (out.truncated()) return Errno::kNameTooLong;
  return String::copy(out.view());
}

Result<Vector<String>> core_helper_arguments(std::string_view pattern, const CoreNameFacts& facts) {
  constexpr std::string_view kSpaces = " \t\v\f\r";
  Vector<String> arguments;
  Vector<char> buffer;
  TRY(buffer.resize(kMostName));
  std::string_view left = pattern.substr(1);
  for (;;) {
    const usize start = left.find_first_not_of(kSpaces);
    if (start == std::string_view::npos) break;
    left.remove_prefix(start);
    const std::string_view part = left.substr(0, left.find_first_of(kSpaces));
    left.remove_prefix(part.size());
    TextSink out(buffer.data(), buffer.size());
    expand(out, part, facts);
    if (out.truncated()) return Errno::kNameTooLong;
    TRY(arguments.push_back(TRY(String::copy(out.view()))));
  }
  if (arguments.empty()) return Errno::kNoExec;
  return arguments;
}

}  // namespace narwhal
