#include "tools/pack/config_paths.h"

#include <algorithm>

#include "tools/base/host_view.h"

namespace narwhal::tools {

namespace {

constexpr std::string_view kBefore = " \t\"'=:(";
constexpr std::string_view kAfter = " \t\"';:,)(]}{[\r";

void add_path(std::string_view word, std::vector<std::string>& paths) {
  const size_t wildcard = word.find_first_of("*?$%");
  if (wildcard != std::string_view::npos) {
    word = word.substr(0, word.rfind('/', wildcard));
  }
  if (!word.starts_with('/')) return;
  std::string path = clean_path(word);
  if (path.find('/', 1) == std::string::npos) return;
  if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(std::move(path));
}

}  // namespace

std::vector<std::string> paths_in_configuration(std::string_view text) {
  std::vector<std::string> paths;
  // A file with NUL bytes is no text.
  if (text.find('\0') != std::string_view::npos) return paths;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const size_t first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos || line[first] == '#' || line[first] == ';') continue;
    for (size_t at = first; at < line.size(); ++at) {
      if (line[at] != '/') continue;
      if (at > 0 && kBefore.find(line[at - 1]) == std::string_view::npos) continue;
      const size_t stop = std::min(line.find_first_of(kAfter, at), line.size());
      // "http://host/path": a scheme's slashes are no path.
      if (!line.substr(at).starts_with("//")) add_path(line.substr(at, stop - at), paths);
      at = stop;
    }
  }
  return paths;
}

}  // namespace narwhal::tools
