#include "kernel/init/settings.h"

namespace narwhal {
namespace {

bool parse_number(std::string_view text, u64 most, u64& out) {
  if (text.empty() || text.size() > 20) return false;
  u64 value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    const u64 digit = u64(c - '0');
    if (value > (~u64{0} - digit) / 10) return false;
    value = value * 10 + digit;
  }
  out = value;
  return value <= most;
}

// "FIRSTxSECOND" and the like, with the separator given.
bool parse_pair(std::string_view text, char separator, u64 most, u64& first, u64& second) {
  const usize at = text.find(separator);
  return at != std::string_view::npos && parse_number(text.substr(0, at), most, first) &&
         parse_number(text.substr(at + 1), most, second);
}

bool parse_bool(std::string_view text, bool& out) {
  out = text == "1";
  return text == "0" || text == "1";
}

bool parse_stream(std::string_view text, StreamKind& out) {
  if (text == "tty")
    out = StreamKind::kTerminal;
  else if (text == "pipe")
    out = StreamKind::kPipe;
  else if (text == "null")
    out = StreamKind::kNull;
  else
    return false;
  return true;
}

bool parse_log_level(std::string_view text, LogLevel& out) {
  constexpr std::string_view kNames[] = {"error", "warn", "info", "debug"};
  for (usize i = 0; i < 4; ++i)
    if (text == kNames[i]) {
      out = LogLevel(i);
      return true;
    }
  return false;
}

// TAG:rw:/PATH or TAG:ro:/PATH
bool parse_volume(std::string_view text, BootSettings::Volume& out) {
  const usize first = text.find(':');
  if (first == 0 || first == std::string_view::npos) return false;
  const auto rest = text.substr(first + 1);
  const auto way = rest.substr(0, 3);
  if ((way != "rw:" && way != "ro:") || rest.size() < 4 || rest[3] != '/') return false;
  out = {text.substr(0, first), way == "ro:", rest.substr(3)};
  return true;
}

// What was expected of a value that made no sense; null: it was understood.
Result<const char*> apply(std::string_view key, std::string_view value, BootSettings& settings) {
  const auto check = [](bool good, const char* expected) { return good ? nullptr : expected; };
  const auto add = [&](Vector<std::string_view>& list) -> Result<const char*> {
    TRY(list.push_back(value));
    return nullptr;
  };
  u64 a = 0, b = 0;
  if (key == "program") return settings.program = value, check(!value.empty(), "a path");
  if (key == "arg") return add(settings.arguments);
  if (key == "env") return add(settings.environment);
  if (key == "cwd") return settings.working_directory = value, check(!value.empty(), "a path");
  if (key == "user") {
    if (!parse_pair(value, ':', ~u32{0} - 1, a, b)) return "UID:GID";
    settings.uid = u32(a);
    settings.gid = u32(b);
    return nullptr;
  }
  if (key == "hostname") return settings.host_name = value, check(!value.empty(), "a name");
  if (key == "net") return settings.net = value, nullptr;
  if (key == "net6") return settings.net6 = value, nullptr;
  if (key == "dns") return add(settings.name_servers);
  if (key == "stdin") return check(parse_stream(value, settings.streams[0]), "tty, pipe or null");
  if (key == "stdout") return check(parse_stream(value, settings.streams[1]), "tty, pipe or null");
  if (key == "stderr") return check(parse_stream(value, settings.streams[2]), "tty, pipe or null");
  if (key == "winsize") {
    if (!parse_pair(value, 'x', 65535, a, b)) return "ROWSxCOLUMNS";
    settings.rows = u16(a);
    settings.columns = u16(b);
    return nullptr;
  }
  if (key == "strace") return check(parse_bool(value, settings.trace_calls), "0 or 1");
  if (key == "loglevel")
    return check(parse_log_level(value, settings.log_level), "error, warn, info or debug");
  if (key == "time") {
    if (!parse_number(value, ~u64{0} >> 1, a)) return "nanoseconds since 1970";
    settings.time_ns = i64(a);
    return nullptr;
  }
  if (key == "seed")
    return settings.seed = value, check(value.size() % 2 == 0, "hexadecimal bytes");
  if (key == "volume") {
    BootSettings::Volume volume;
    if (!parse_volume(value, volume)) return "TAG:rw:/PATH or TAG:ro:/PATH";
    TRY(settings.volumes.push_back(volume));
    return nullptr;
  }
  // Read long before this, by the home.
  bool ignored;
  if (key == "nokaslr") return check(parse_bool(value, ignored), "0 or 1");
  if (key == "noaslr") {
    const bool good = parse_bool(value, ignored);
    settings.randomize_programs = !ignored;
    return check(good, "0 or 1");
  }
  if (key == "rewrite") return check(parse_bool(value, settings.rewrite_calls), "0 or 1");
  if (key == "virtio_mmio.device") return add(settings.mmio_devices);
  if (key == "device") return add(settings.host_devices);
  LOG_INFO("boot setting '" << key << "' means nothing here and is ignored");
  return nullptr;
}

Result<> apply_pair(std::string_view pair, BootSettings& settings, TextSink& problem) {
  const usize equals = pair.find('=');
  if (equals == std::string_view::npos) {
    LOG_INFO("boot setting '" << pair << "' has no value and is ignored");
    return {};
  }
  const auto key = pair.substr(0, equals);
  auto value = pair.substr(equals + 1);
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  const char* expected = TRY(apply(key, value, settings));
  if (!expected) return {};
  problem << "boot setting '" << key << "=" << value << "': expected " << expected;
  return Errno::kInval;
}

}  // namespace

Result<> parse_command_line(std::string_view line, BootSettings& settings, TextSink& problem) {
  for (usize at = 0; at < line.size();) {
    if (line[at] == ' ' || line[at] == '\n' || line[at] == '\t') {
      ++at;
      continue;
    }
    bool quoted = false;
    usize end = at;
    for (; end < line.size() && (quoted || (line[end] != ' ' && line[end] != '\n')); ++end)
      if (line[end] == '"') quoted = !quoted;
    TRY(apply_pair(line.substr(at, end - at), settings, problem));
    at = end;
  }
  return {};
}

Result<> parse_setting_records(std::string_view records, BootSettings& settings,
                               TextSink& problem) {
  while (!records.empty()) {
    const usize end = records.find('\0');
    if (end == std::string_view::npos) {
      problem << "the boot settings' last record has no end";
      return Errno::kInval;
    }
    TRY(apply_pair(records.substr(0, end), settings, problem));
    records.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace narwhal
