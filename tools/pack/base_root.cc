#include "tools/pack/base_root.h"

#include <fmt/format.h>

#include <charconv>

#include "tools/pack/rules.h"

namespace narwhal::tools {

namespace {

constexpr char kWhy[] = "every program expects it";

// Debian's policy, 9.2.2: up to here numbers belong to the system; "nobody" is the other one.
constexpr unsigned kFirstPerson = 1000;
constexpr unsigned kNobody = 65534;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  while (true) {
    const size_t end = line.find(':');
    fields.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end + 1);
  }
}

bool is_of_the_system(std::string_view number) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size()) return false;
  return value < kFirstPerson || value == kNobody;
}

std::string hosts_file(const std::string& hostname) {
  return fmt::format(
      "127.0.0.1\tlocalhost\n127.0.1.1\t{}\n::1\tlocalhost ip6-localhost ip6-loopback\n"
      "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
      hostname);
}

std::string name_server_file(const HostView& host, const BaseSettings& settings) {
  if (!settings.copy_name_servers) {
    std::string text;
    for (const std::string& server : settings.name_servers) text += "nameserver " + server + "\n";
    return text;
  }
  // systemd-resolved: the file that names the servers behind the local one.
  for (const char* const path : {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}) {
    const std::string text = reachable_name_servers(host.read(path).value_or(""));
    if (text.find("nameserver") != std::string::npos) return text;
  }
  return "";
}

}  // namespace

std::string system_users(std::string_view passwd, std::string_view wanted_user) {
  std::string text;
  for (const std::string_view line : lines_of(passwd)) {
    const auto fields = fields_of(line);
    if (fields.size() != 7) continue;
    const bool wanted = !wanted_user.empty() && fields[0] == wanted_user;
    if (!wanted && !is_of_the_system(fields[2])) continue;
    text += fmt::format("{}:x:{}:{}:{}:{}:{}\n", fields[0], fields[2], fields[3], fields[4],
                        fields[5], fields[6]);
  }
  if (text.find("root:") == std::string::npos) text.insert(0, "root:x:0:0:root:/root:/bin/sh\n");
  return text;
}

std::string system_groups(std::string_view group) {
  std::string text;
  for (const std::string_view line : lines_of(group)) {
    const auto fields = fields_of(line);
    if (fields.size() != 4 || !is_of_the_system(fields[2])) continue;
    text += fmt::format("{}:x:{}:\n", fields[0], fields[2]);
  }
  if (text.find("root:") == std::string::npos) text.insert(0, "root:x:0:\n");
  return text;
}

std::string reachable_name_servers(std::string_view resolv_conf) {
  std::string text;
  for (const std::string_view line : lines_of(resolv_conf)) {
    if (line.starts_with("nameserver 127.") || line.starts_with("nameserver ::1")) continue;
    if (line.starts_with("nameserver ") || line.starts_with("search ") ||
        line.starts_with("options ") || line.starts_with("domain ")) {
      text += line;
      text += '\n';
    }
  }
  return text;
}

void add_base_root(const HostView& host, const BaseSettings& settings, Importer& importer,
                   RootTree& tree) {
  for (const BaseFolder& folder : base_folders()) {
    tree.add(std::string(folder.path), RootEntry::directory(folder.mode, kWhy));
  }
  for (const BaseLink& link : base_links()) {
    tree.add(std::string(link.path), RootEntry::link(std::string(link.target), kWhy));
  }
  const auto text = [&](const char* path, std::string contents) {
    tree.add(path, RootEntry::text(std::move(contents), kWhy));
  };
  text("/etc/passwd", system_users(host.read("/etc/passwd").value_or("")));
  text("/etc/group", system_groups(host.read("/etc/group").value_or("")));
  text("/etc/nsswitch.conf",
       "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n"
       "protocols: files\nservices: files\nethers: files\nrpc: files\n");
  text("/etc/hostname", settings.hostname + "\n");
  text("/etc/hosts", hosts_file(settings.hostname));
  text("/etc/resolv.conf", name_server_file(host, settings));
  for (const std::string_view path : base_files()) {
    if (host.exists(path)) importer.add(path, kWhy);
  }
}

}  // namespace narwhal::tools
