#include "tools/pack/root_tree.h"

#include <set>

#include "tools/base/host_view.h"

namespace narwhal::tools {

RootEntry RootEntry::directory(mode_t permissions, std::string why) {
  RootEntry entry;
  entry.mode = S_IFDIR | permissions;
  entry.why = std::move(why);
  return entry;
}

RootEntry RootEntry::text(std::string content, std::string why, mode_t permissions) {
  RootEntry entry;
  entry.mode = S_IFREG | permissions;
  entry.size = content.size();
  entry.content = std::move(content);
  entry.why = std::move(why);
  return entry;
}

RootEntry RootEntry::link(std::string target, std::string why) {
  RootEntry entry;
  entry.mode = S_IFLNK | 0777;
  entry.content = std::move(target);
  entry.why = std::move(why);
  return entry;
}

RootEntry RootEntry::from_status(const struct stat& status, std::string why) {
  RootEntry entry;
  entry.mode = status.st_mode;
  entry.uid = status.st_uid;
  entry.gid = status.st_gid;
  entry.modified = status.st_mtime;
  entry.device = status.st_rdev;
  entry.size = S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size) : 0;
  entry.identity = {status.st_dev, status.st_ino};
  entry.names = status.st_nlink;
  entry.why = std::move(why);
  return entry;
}

bool RootTree::add(const std::string& path, RootEntry entry) {
  return entries_.try_emplace(path, std::move(entry)).second;
}

void RootTree::replace(const std::string& path, RootEntry entry) {
  const RootEntry* const old = find(path);
  if (old != nullptr && !(old->is_directory() && entry.is_directory())) remove(path);
  entries_.insert_or_assign(path, std::move(entry));
}

void RootTree::remove(const std::string& path) {
  entries_.erase(path);
  const std::string inside = path == "/" ? "/" : path + "/";
  auto at = entries_.lower_bound(inside);
  while (at != entries_.end() && at->first.starts_with(inside)) at = entries_.erase(at);
}

const RootEntry* RootTree::find(const std::string& path) const {
  const auto at = entries_.find(path);
  return at == entries_.end() ? nullptr : &at->second;
}

std::string RootTree::resolve(std::string_view path) const {
  constexpr int kMaximumLinks = 40;
  std::string rest = clean_path(path);
  std::string place;
  int links = 0;
  while (!rest.empty()) {
    const size_t end = rest.find('/', 1);
    const std::string part = rest.substr(0, end);
    rest = end == std::string::npos ? "" : rest.substr(end);
    const RootEntry* const entry = find(place + part);
    if (entry == nullptr || !entry->is_link() || ++links > kMaximumLinks) {
      if (part != "/") place += part;
      continue;
    }
    rest = clean_path(entry->content, place.empty() ? "/" : place) + rest;
    place.clear();
  }
  return place.empty() ? "/" : place;
}

uint64_t RootTree::total_size() const {
  uint64_t total = 0;
  std::set<std::pair<dev_t, ino_t>> counted;
  for (const auto& [path, entry] : entries_) {
    const bool several = entry.names > 1 && !entry.source.empty();
    if (entry.is_regular() && (!several || counted.insert(entry.identity).second)) {
      total += entry.size;
    }
  }
  return total;
}

}  // namespace narwhal::tools
