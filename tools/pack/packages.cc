#include "tools/pack/packages.h"

#include <fcntl.h>
#include <string.h>

#include <algorithm>

#include "tools/base/files.h"
#include "tools/base/unique_fd.h"

namespace narwhal::tools {

namespace {

constexpr char kStatus[] = "/var/lib/dpkg/status";
constexpr char kLists[] = "/var/lib/dpkg/info";

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

// Whether a package may have brought it: the file system standard's folders for the system, and
// /opt for packages of others (Debian Policy 9.1). A program from elsewhere, somebody's own, need
// not wait for a look at a thousand lists.
bool may_be_packaged(std::string_view path) {
  constexpr std::string_view kNot[] = {"/usr/local", "/var/tmp"};
  constexpr std::string_view kPlaces[] = {"/usr", "/bin", "/sbin", "/etc", "/opt", "/var", "/srv"};
  const auto holds = [path](std::string_view folder) { return is_inside(path, folder); };
  // /lib, /lib64, /libx32
  return std::ranges::none_of(kNot, holds) &&
         (path.starts_with("/lib") || std::ranges::any_of(kPlaces, holds));
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
  const auto status = host.read(kStatus);
  if (!status) return;
  packages_ = parse_package_status(*status);
  for (const std::string& name : host.list(kLists)) {
    if (!name.ends_with(".list")) continue;
    // "nginx.list", "libc6:amd64.list"
    const std::string stem = name.substr(0, name.size() - strlen(".list"));
    const auto package = packages_.find(stem.substr(0, stem.find(':')));
    if (package == packages_.end()) continue;
    if (package->second.list.empty() || stem.ends_with(":amd64")) {
      package->second.list = name;
    }
  }
}

const Package* PackageDatabase::find(const std::string& name) const {
  const auto at = packages_.find(name);
  return at == packages_.end() ? nullptr : &at->second;
}

// A thousand small files, for one question: all that a run of a small program waits for. So they
// are opened from their folder, and land behind one another in memory that is taken once.
void PackageDatabase::read_lists() {
  constexpr size_t kUsual = 8 << 20;
  if (!lists_.empty()) return;
  lists_.reserve(kUsual);
  lists_ = "\n";
  const UniqueFd folder(open(host_.on_host(kLists).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const auto& [name, package] : packages_) {
    const size_t start = lists_.size() - 1;
    if (package.list.empty() || !append_file(folder.get(), package.list, lists_)) continue;
    starts_.emplace_back(start, &package);
    if (!lists_.ends_with('\n')) lists_ += '\n';
  }
}

std::vector<const Package*> PackageDatabase::owners(const std::string& path) {
  constexpr std::string_view kUsr = "/usr";
  if (!may_be_packaged(path)) return {};
  read_lists();
  std::vector<const Package*> found;
  const std::string_view lists = lists_;
  // What both spellings end with.
  const std::string line = (path.starts_with("/usr/") ? path.substr(kUsr.size()) : path) + "\n";
  size_t at = 0;
  while (true) {
    const void* const hit = memmem(lists.data() + at, lists.size() - at, line.data(), line.size());
    if (hit == nullptr) return found;
    at = static_cast<size_t>(static_cast<const char*>(hit) - lists.data());
    std::string_view before = lists.substr(0, at);
    if (before.ends_with(kUsr)) before.remove_suffix(kUsr.size());
    if (before.ends_with('\n')) {
      const auto after = std::upper_bound(
          starts_.begin(), starts_.end(), before.size() - 1,
          [](size_t position, const auto& start) { return position < start.first; });
      if (after != starts_.begin()) {
        const Package* const package = std::prev(after)->second;
        if (std::find(found.begin(), found.end(), package) == found.end()) {
          found.push_back(package);
        }
      }
    }
    at += line.size() - 1;
  }
}

std::vector<std::string> PackageDatabase::files(const Package& package) const {
  std::vector<std::string> paths;
  const auto list =
      package.list.empty() ? std::nullopt : host_.read(std::string(kLists) + "/" + package.list);
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
