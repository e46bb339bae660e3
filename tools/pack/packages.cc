#include "tools/pack/packages.h"

#include <string.h>

#include <algorithm>

#include "tools/base/files.h"

namespace narwhal::tools {

namespace {

constexpr char kDatabase[] = "/var/lib/dpkg";

std::string_view trim(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t") - start + 1);
}

// "libc6 (>= 2.34), nginx-common | other:any" -> names, alternatives side by side.
std::vector<std::string> names_of(std::string_view field) {
  std::vector<std::string> names;
  while (!field.empty()) {
    const size_t end = field.find_first_of(",|");
    std::string_view item = trim(field.substr(0, end));
    item = item.substr(0, item.find_first_of(" (:"));
    if (!item.empty()) names.emplace_back(item);
    if (end == std::string_view::npos) break;
    field.remove_prefix(end + 1);
  }
  return names;
}

void remove_absent(std::vector<std::string>& names, const std::map<std::string, Package>& all) {
  std::erase_if(names, [&](const std::string& name) { return !all.contains(name); });
}

}  // namespace

std::map<std::string, Package> parse_package_status(std::string_view text) {
  std::map<std::string, Package> packages;
  Package package;
  bool installed = false;
  const auto finish = [&] {
    if (installed && !package.name.empty()) {
      if (package.source.empty()) package.source = package.name;
      // Of a package installed for several architectures, the first one (the machine's own) counts.
      packages.try_emplace(package.name, package);
    }
    package = Package();
    installed = false;
  };
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) {
      finish();
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.front() == ' ') continue;
    const std::string_view field = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (field == "Package") {
      package.name = value;
    } else if (field == "Status") {
      installed = value.ends_with(" installed");
    } else if (field == "Source") {
      package.source = value.substr(0, value.find(' '));
    } else if (field == "Architecture") {
      package.is_for_all_machines = value == "all";
    } else if (field == "Essential") {
      package.is_essential = value == "yes";
    } else if (field == "Depends" || field == "Pre-Depends") {
      for (std::string& name : names_of(value)) package.depends.push_back(std::move(name));
    } else if (field == "Recommends") {
      package.recommends = names_of(value);
    }
  }
  finish();
  for (auto& [name, each] : packages) {
    remove_absent(each.depends, packages);
    remove_absent(each.recommends, packages);
  }
  return packages;
}

PackageDatabase::PackageDatabase(const HostView& host) : host_(host) {
  const auto status = host.read(std::string(kDatabase) + "/status");
  if (!status) return;
  packages_ = parse_package_status(*status);
  for (const std::string& name : host.list(std::string(kDatabase) + "/info")) {
    if (!name.ends_with(".list")) continue;
    // "nginx.list", "libc6:amd64.list"
    const std::string stem = name.substr(0, name.size() - strlen(".list"));
    const auto package = packages_.find(stem.substr(0, stem.find(':')));
    if (package == packages_.end()) continue;
    if (package->second.list.empty() || stem.ends_with(":amd64")) {
      package->second.list = std::string(kDatabase) + "/info/" + name;
    }
  }
}

const Package* PackageDatabase::find(const std::string& name) const {
  const auto at = packages_.find(name);
  return at == packages_.end() ? nullptr : &at->second;
}

void PackageDatabase::read_lists() {
  if (!lists_.empty()) return;
  lists_ = "\n";
  for (const auto& [name, package] : packages_) {
    const auto list = package.list.empty() ? std::nullopt : host_.read(package.list);
    if (!list) continue;
    starts_.emplace_back(lists_.size() - 1, &package);
    lists_ += *list;
    if (!lists_.ends_with('\n')) lists_ += '\n';
  }
}

std::vector<const Package*> PackageDatabase::owners(const std::string& path) {
  read_lists();
  std::vector<const Package*> found;
  std::vector<std::string> spellings = {path};
  if (path.starts_with("/usr/")) {
    spellings.push_back(path.substr(4));
  } else {
    spellings.push_back("/usr" + path);
  }
  for (const std::string& spelling : spellings) {
    const std::string line = "\n" + spelling + "\n";
    size_t at = 0;
    while (true) {
      const void* const hit =
          memmem(lists_.data() + at, lists_.size() - at, line.data(), line.size());
      if (hit == nullptr) break;
      at = static_cast<size_t>(static_cast<const char*>(hit) - lists_.data());
      const auto after = std::upper_bound(
          starts_.begin(), starts_.end(), at,
          [](size_t position, const auto& start) { return position < start.first; });
      if (after != starts_.begin()) {
        const Package* const package = std::prev(after)->second;
        if (std::find(found.begin(), found.end(), package) == found.end()) {
          found.push_back(package);
        }
      }
      at += line.size() - 1;
    }
  }
  return found;
}

std::vector<std::string> PackageDatabase::files(const Package& package) const {
  std::vector<std::string> paths;
  const auto list = package.list.empty() ? std::nullopt : host_.read(package.list);
  if (!list) return paths;
  std::string_view rest = *list;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    if (line.starts_with('/') && line != "/.") paths.emplace_back(line);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return paths;
}

}  // namespace narwhal::tools
