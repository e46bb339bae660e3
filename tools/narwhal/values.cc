#include "tools/narwhal/values.h"

#include <arpa/inet.h>

#include <charconv>
#include <optional>

#include "tools/base/error.h"
#include "tools/base/files.h"

namespace narwhal::tools {

namespace {

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<uint16_t> parse_port_number(std::string_view text) {
  const auto number = parse_number<uint16_t>(text);
  return number && *number != 0 ? number : std::nullopt;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_ipv4(std::string_view text) {
  in_addr address;
  return inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

std::string guest_path(std::string_view option, std::string_view text, std::string_view path) {
  if (!path.starts_with('/')) {
    fail("{} {}: the place in the guest ({}) must start with /", option, text, path);
  }
  return clean_path(path);
}

// The line of a file like passwd(5) whose field `key_field` is `key`.
std::vector<std::string> find_record(const std::string& file, size_t key_field,
                                     std::string_view key) {
  for (const std::string_view line : split(file, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() > 3 && fields[key_field] == key) {
      return std::vector<std::string>(fields.begin(), fields.end());
    }
  }
  return {};
}

}  // namespace

PortForward parse_port(std::string_view text) {
  PortForward forward;
  std::string_view rest = text;
  const auto wrong = [&]() {
    fail(
        "-p {}: write [ADDRESS:]HOST:GUEST with ports from 1 to 65535, as in 8080:80 or "
        "0.0.0.0:5353:53/udp",
        text);
  };
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view protocol = rest.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp") wrong();
    forward.is_udp = protocol == "udp";
    rest = rest.substr(0, slash);
  }
  if (rest.starts_with('[')) {
    fail(
        "-p {}: QEMU's user network forwards IPv4 addresses only; use an IPv4 address, or "
        "--net tap:NAME",
        text);
  }
  auto parts = split(rest, ':');
  if (parts.size() == 3) {
    if (!is_ipv4(parts[0])) wrong();
    forward.address = parts[0];
    parts.erase(parts.begin());
  }
  if (parts.size() != 2) wrong();
  const auto host = parse_port_number(parts[0]);
  const auto guest = parse_port_number(parts[1]);
  if (!host || !guest) wrong();
  forward.host_port = *host;
  forward.guest_port = *guest;
  return forward;
}

Volume parse_volume(std::string_view text) {
  Volume volume;
  const auto parts = split(text, ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty()) {
    fail("-v {}: write HOST:GUEST[:ro], as in ./site:/var/www/html:ro", text);
  }
  if (parts.size() == 3) {
    if (parts[2] != "ro" && parts[2] != "rw") {
      fail("-v {}: the third part can be ro or rw, not {}", text, parts[2]);
    }
    volume.read_only = parts[2] == "ro";
  }
  volume.mapping.host = parts[0];
  volume.mapping.guest = guest_path("-v", text, parts[1]);
  return volume;
}

// A file's name may have colons of its own, so only an ending that means something counts.
DiskWish parse_disk(std::string_view text) {
  DiskWish disk;
  disk.read_only = text.ends_with(":ro");
  disk.path =
      text.ends_with(":ro") || text.ends_with(":rw") ? text.substr(0, text.size() - 3) : text;
  if (disk.path.empty()) fail("--disk {}: write FILE or FILE:ro, as in ./data.img", text);
  return disk;
}

Mapping parse_include(std::string_view text) {
  Mapping mapping;
  const auto parts = split(text, ':');
  if (parts.empty() || parts.size() > 2 || parts[0].empty()) {
    fail("--include {}: write PATH or PATH:GUEST", text);
  }
  mapping.host = parts[0];
  if (parts.size() == 2) mapping.guest = guest_path("--include", text, parts[1]);
  return mapping;
}

uint64_t parse_memory(std::string_view text) {
  const auto wrong = [&]() { fail("-m {}: write a size such as 64M, 512M or 2G", text); };
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number<uint64_t>(text.substr(0, digits));
  std::string unit;
  for (const char c : text.substr(digits)) unit += static_cast<char>(tolower(c));
  if (unit.ends_with("ib")) {
    unit.resize(unit.size() - 2);
  } else if (unit.ends_with("b") && unit.size() > 1) {
    unit.resize(unit.size() - 1);
  }
  int shift = 0;
  if (unit == "k") {
    shift = 10;
  } else if (unit == "m") {
    shift = 20;
  } else if (unit == "g") {
    shift = 30;
  } else if (unit == "t") {
    shift = 40;
  } else if (!unit.empty() && unit != "b") {
    wrong();
  }
  if (!number || *number == 0 || *number > (UINT64_MAX >> shift)) wrong();
  const uint64_t bytes = *number << shift;
  constexpr uint64_t kSmallest = 1 << 20;
  constexpr uint64_t kLargest = uint64_t{1} << 46;
  if (bytes < kSmallest) {
    fail("-m {}: that is {}; write a size such as 64M, 512M or 2G", text, format_size(bytes));
  }
  if (bytes > kLargest) wrong();
  return bytes;
}

std::pair<std::string, std::string> parse_environment(std::string_view text,
                                                      const char* (*have)(const char* name)) {
  const size_t equals = text.find('=');
  std::string name(text.substr(0, equals));
  if (name.empty()) fail("-e {}: write NAME=VALUE, or NAME for the value that it has here", text);
  if (equals != std::string_view::npos) return {name, std::string(text.substr(equals + 1))};
  const char* const value = have(name.c_str());
  if (value == nullptr) fail("-e {}: {} is not set here; write {}=VALUE", text, name, name);
  return {name, value};
}

User parse_user(std::string_view text, const HostView& host) {
  User user;
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string passwd = host.read("/etc/passwd").value_or("");
  const auto number = parse_number<unsigned>(name);
  const auto record = number ? find_record(passwd, 2, name) : find_record(passwd, 0, name);
  if (number) {
    user.uid = *number;
    user.gid = 0;
    if (user.uid != 0) user.home = "/";
  } else if (record.empty()) {
    fail("--user {}: no user {} in /etc/passwd; write UID[:GID] in numbers", text, name);
  }
  if (record.size() >= 6) {
    user.uid = parse_number<unsigned>(record[2]).value_or(user.uid);
    user.gid = parse_number<unsigned>(record[3]).value_or(user.gid);
    user.home = record[5];
  }
  if (colon == std::string_view::npos) return user;
  const std::string_view group = text.substr(colon + 1);
  auto gid = parse_number<unsigned>(group);
  if (!gid) {
    const auto found = find_record(host.read("/etc/group").value_or(""), 0, group);
    if (!found.empty()) gid = parse_number<unsigned>(found[2]);
  }
  if (!gid) fail("--user {}: no group {} in /etc/group; write UID:GID in numbers", text, group);
  user.gid = *gid;
  return user;
}

Network parse_network(std::string_view text) {
  Network network;
  if (text == "user") return network;
  if (text == "none") {
    network.kind = Network::Kind::kNone;
    return network;
  }
  constexpr size_t kLongestName = 15;  // IFNAMSIZ, without its NUL
  if (text.starts_with("tap:") && text.size() > 4 && text.size() - 4 <= kLongestName &&
      text.find_first_of(",/ ") == std::string_view::npos) {
    network.kind = Network::Kind::kTap;
    network.tap_name = text.substr(4);
    return network;
  }
  fail("--net {}: write user, none, or tap:NAME with an interface's name", text);
}

std::string parse_address(std::string_view text) {
  const auto parts = split(text, ',');
  const size_t slash = parts[0].find('/');
  const std::string_view length =
      slash == std::string_view::npos ? std::string_view() : parts[0].substr(slash + 1);
  const auto prefix = parse_number<unsigned>(length);
  if (parts.size() != 2 || !prefix || *prefix > 32 || !is_ipv4(parts[0].substr(0, slash)) ||
      !is_ipv4(parts[1])) {
    fail("--ip {}: write ADDRESS/PREFIX,GATEWAY, as in 192.168.7.2/24,192.168.7.1", text);
  }
  return std::string(text);
}

}  // namespace narwhal::tools
