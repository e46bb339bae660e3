#include "tools/base/host_view.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>

#include "tools/base/files.h"

namespace narwhal::tools {

namespace {

// As Linux: path_resolution(7).
constexpr int kMaximumLinks = 40;

HostView::Walk failed_walk(std::string path, int error) {
  HostView::Walk walk;
  walk.path = std::move(path);
  walk.error = error;
  return walk;
}

}  // namespace

HostView::HostView(std::string root) : root_(std::move(root)) {
  while (root_.ends_with('/')) root_.pop_back();
}

// Walks to the folder that holds the last component, and says what that component is.
HostView::Walk HostView::walk_parent(std::string_view path, std::string_view* name,
                                     int depth) const {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  *name = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
  const std::string_view folder =
      slash == std::string_view::npos || slash == 0 ? "/" : path.substr(0, slash);
  const auto known = folders_.find(std::string(folder));
  if (known != folders_.end()) return known->second;
  Walk walked;
  if (folder == "/") {
    walked.path = "/";
    if (stat((root_ + "/").c_str(), &walked.status) != 0) walked.error = errno;
  } else {
    walked = walk(folder, depth);
  }
  if (walked.error == 0 && !S_ISDIR(walked.status.st_mode)) walked.error = ENOTDIR;
  if (walked.error != ELOOP) folders_.emplace(folder, walked);
  return walked;
}

HostView::Walk HostView::walk_to_link(std::string_view path) const {
  std::string_view name;
  Walk walked = walk_parent(path, &name, 0);
  if (walked.error != 0) return failed_walk(clean_path(path), walked.error);
  if (name.empty() || name == ".") return walked;
  if (name == "..") return walk(path);
  std::string place = (walked.path == "/" ? "" : walked.path) + "/" + std::string(name);
  if (lstat(on_host(place).c_str(), &walked.status) != 0) walked.error = errno;
  walked.path = std::move(place);
  return walked;
}

HostView::Walk HostView::walk(std::string_view path, int depth) const {
  if (depth > kMaximumLinks) return failed_walk(clean_path(path), ELOOP);
  std::string_view name;
  Walk walked = walk_parent(path, &name, depth);
  if (walked.error != 0) return failed_walk(clean_path(path), walked.error);
  if (name.empty() || name == ".") return walked;
  if (name == "..") {
    walked.path = std::string(parent_path(walked.path));
    if (lstat(on_host(walked.path).c_str(), &walked.status) != 0) walked.error = errno;
    return walked;
  }
  const std::string folder = walked.path == "/" ? "" : walked.path;
  std::string place = folder + "/" + std::string(name);
  if (lstat(on_host(place).c_str(), &walked.status) != 0) {
    return failed_walk(std::move(place), errno);
  }
  if (!S_ISLNK(walked.status.st_mode)) {
    walked.path = std::move(place);
    return walked;
  }
  const std::optional<std::string> target = read_link(place);
  if (!target) return failed_walk(std::move(place), errno);
  Walk rest = walk(target->starts_with('/') ? *target : folder + "/" + *target, depth + 1);
  walked.links.push_back(std::move(place));
  rest.links.insert(rest.links.begin(), walked.links.begin(), walked.links.end());
  return rest;
}

std::optional<std::string> HostView::read(std::string_view path) const {
  const Walk walked = walk(path);
  if (walked.error != 0) {
    errno = walked.error;
    return std::nullopt;
  }
  return read_file(on_host(walked.path));
}

std::optional<std::string> HostView::read_link(std::string_view path) const {
  char target[PATH_MAX];
  const ssize_t length = readlink(on_host(path).c_str(), target, sizeof target);
  if (length < 0) return std::nullopt;
  return std::string(target, static_cast<size_t>(length));
}

std::vector<std::string> HostView::list(std::string_view path) const {
  std::vector<std::string> names;
  const Walk walked = walk(path);
  if (!walked.is_directory()) return names;
  DIR* const folder = opendir(on_host(walked.path).c_str());
  if (folder == nullptr) return names;
  while (const dirent* const entry = readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(folder);
  std::sort(names.begin(), names.end());
  return names;
}

uint64_t HostView::size_of_tree(std::string_view path, uint64_t enough) const {
  uint64_t total = 0;
  for (const std::string& name : list(path)) {
    const std::string inside = std::string(path) + "/" + name;
    const Walk place = walk_to_link(inside);
    if (place.error != 0) continue;
    if (S_ISREG(place.status.st_mode)) total += static_cast<uint64_t>(place.status.st_size);
    if (S_ISDIR(place.status.st_mode)) total += size_of_tree(inside, enough - total);
    if (total > enough) break;
  }
  return total;
}

std::string clean_path(std::string_view path, std::string_view base) {
  std::string whole;
  if (!path.starts_with('/')) whole = std::string(base) + "/";
  whole += path;
  std::string clean;
  size_t start = 0;
  while (start < whole.size()) {
    size_t end = whole.find('/', start);
    if (end == std::string::npos) end = whole.size();
    const std::string_view part = std::string_view(whole).substr(start, end - start);
    if (part == "..") {
      clean.resize(clean.empty() ? 0 : clean.rfind('/'));
    } else if (!part.empty() && part != ".") {
      clean += '/';
      clean += part;
    }
    start = end + 1;
  }
  return clean.empty() ? "/" : clean;
}

std::string_view base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view parent_path(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool is_inside(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace narwhal::tools
