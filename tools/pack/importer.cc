#include "tools/pack/importer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

namespace narwhal::tools {

namespace {

// Made by a kernel, or a mirror of the machine's hardware: never packed.
bool is_kernel_made(std::string_view path) {
  return is_inside(path, "/proc") || is_inside(path, "/sys") || is_inside(path, "/dev");
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* const open_folder = opendir(folder.c_str());
  if (open_folder == nullptr) return names;
  while (const dirent* const entry = readdir(open_folder)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(open_folder);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

bool is_system_folder(std::string_view path) {
  static constexpr std::string_view kFolders[] = {"/",
                                                  "/bin",
                                                  "/boot",
                                                  "/etc",
                                                  "/home",
                                                  "/lib",
                                                  "/lib64",
                                                  "/media",
                                                  "/mnt",
                                                  "/opt",
                                                  "/root",
                                                  "/run",
                                                  "/sbin",
                                                  "/srv",
                                                  "/tmp",
                                                  "/usr",
                                                  "/usr/bin",
                                                  "/usr/include",
                                                  "/usr/lib",
                                                  "/usr/lib64",
                                                  "/usr/local",
                                                  "/usr/sbin",
                                                  "/usr/share",
                                                  "/usr/src",
                                                  "/var",
                                                  "/var/cache",
                                                  "/var/lib",
                                                  "/var/log",
                                                  "/var/spool",
                                                  "/var/tmp",
                                                  "/usr/local/bin",
                                                  "/usr/local/lib",
                                                  "/usr/local/share",
                                                  "/usr/lib/x86_64-linux-gnu"};
  return is_kernel_made(path) ||
         std::find(std::begin(kFolders), std::end(kFolders), path) != std::end(kFolders);
}

Importer::Importer(const HostView& host, RootTree& tree, std::vector<std::string>& notes)
    : host_(host), tree_(tree), notes_(notes) {}

HostView::Walk Importer::add(std::string_view path, const std::string& why) {
  // "/a/b/../c" only works where /a/b is a folder.
  for (size_t at = path.find("/.."); at != std::string_view::npos; at = path.find("/..", at + 1)) {
    const std::string_view before = path.substr(0, at);
    if (!before.empty() && (at + 3 == path.size() || path[at + 3] == '/')) add(before, why);
  }
  HostView::Walk walked = host_.walk(path);
  for (const std::string& link : walked.links) {
    const HostView::Walk place = host_.walk_to_link(link);
    if (place.error == 0) add_place(place, why);
  }
  if (walked.error == 0) add_place(walked, why);
  return walked;
}

void Importer::add_tree(std::string_view path, const std::string& why) {
  const HostView::Walk top = add(path, why);
  if (!top.is_directory() || is_kernel_made(top.path)) return;
  if (!visited_trees_.insert(top.path).second) return;
  for (const std::string& name : host_.list(top.path)) {
    const std::string inside = top.path + "/" + name;
    const HostView::Walk place = host_.walk_to_link(inside);
    if (place.error != 0) continue;
    if (S_ISDIR(place.status.st_mode)) {
      add_tree(inside, why);
      continue;
    }
    const HostView::Walk target = add(inside, why);
    if (target.is_directory() && !is_system_folder(target.path)) add_tree(target.path, why);
  }
}

void Importer::add_place(const HostView::Walk& place, const std::string& why) {
  if (place.path == "/" || tree_.find(place.path) != nullptr) return;
  const mode_t mode = place.status.st_mode;
  if (S_ISSOCK(mode)) return;  // of no use without the process behind it
  RootEntry entry = RootEntry::from_status(place.status, why);
  if (S_ISLNK(mode)) entry.content = host_.read_link(place.path).value_or("");
  if (S_ISREG(mode)) {
    entry.source = host_.on_host(place.path);
    if (!may_read(entry.source)) return;
  }
  tree_.add(place.path, std::move(entry));
}

void Importer::copy_to(const std::string& host_path, const std::string& guest_path,
                       const std::string& why) {
  struct stat status;
  if (lstat(host_path.c_str(), &status) != 0) return;  // gone since its folder was read
  if (S_ISSOCK(status.st_mode)) return;
  RootEntry entry = RootEntry::from_status(status, why);
  if (entry.is_regular()) {
    if (!may_read(host_path)) return;
    entry.source = host_path;
  }
  if (entry.is_link()) {
    char target[PATH_MAX];
    const ssize_t length = readlink(host_path.c_str(), target, sizeof target);
    if (length < 0) return;
    entry.content.assign(target, static_cast<size_t>(length));
  }
  const bool descend = entry.is_directory();
  if (guest_path != "/") tree_.replace(guest_path, std::move(entry));
  if (!descend || is_kernel_made(host_path)) return;
  if (access(host_path.c_str(), R_OK | X_OK) != 0) {
    notes_.push_back(fmt::format("left out what is in {}: {}", host_path, strerror(errno)));
    return;
  }
  const std::string inside = guest_path == "/" ? "" : guest_path;
  for (const std::string& name : names_in(host_path)) {
    copy_to(host_path + "/" + name, inside + "/" + name, why);
  }
}

bool Importer::may_read(const std::string& path_on_host) {
  if (faccessat(AT_FDCWD, path_on_host.c_str(), R_OK, AT_EACCESS) == 0) return true;
  notes_.push_back(fmt::format("left out {}: {}", path_on_host, strerror(errno)));
  return false;
}

}  // namespace narwhal::tools
