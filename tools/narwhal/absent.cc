#include "tools/narwhal/absent.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/pack/packages.h"

namespace narwhal::tools {

namespace {

constexpr std::string_view kProgramFolders[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                                "/usr/bin",        "/sbin",          "/bin"};
constexpr size_t kMostHints = 5;

bool is_program_folder(std::string_view path) {
  return path.ends_with("/bin") || path.ends_with("/sbin");
}

bool has(const RootTree& root, const std::string& path) {
  return root.find(root.resolve(path)) != nullptr;
}

bool is_program(const HostView& host, const std::string& path) {
  const HostView::Walk walked = host.walk(path);
  return walked.is_regular() && (walked.status.st_mode & 0111) != 0;
}

// Where `path` looked for a program in vain: the same program here. Empty when there is none, or
// the guest has it after all, in another folder.
std::string program_here(const std::string& path, const HostView& host, const RootTree& root) {
  std::vector<std::string> places = {path};
  for (const std::string_view folder : kProgramFolders) {
    places.push_back(fmt::format("{}/{}", folder, base_name(path)));
  }
  const auto in_guest = [&](const std::string& place) { return has(root, place); };
  if (std::ranges::any_of(places, in_guest)) return "";
  const auto here = [&](const std::string& place) { return is_program(host, place); };
  const auto found = std::ranges::find_if(places, here);
  return found == places.end() ? "" : *found;
}

bool is_named(const std::string& path, const std::vector<std::string>& arguments) {
  const auto names = [&](const std::string& argument) {
    return argument == path || argument.ends_with("=" + path);
  };
  return std::ranges::any_of(arguments, names);
}

// The package that brought it, by its own name or that of what it is a link to.
std::string package_of(const std::string& path, const HostView& host, PackageDatabase& packages) {
  for (const std::string& name : {path, host.walk(path).path}) {
    if (const auto owners = packages.owners(name); !owners.empty()) return owners.front()->name;
  }
  return "";
}

}  // namespace

std::string hint_about_absent(const std::vector<std::string>& absent, const HostView& host,
                              const RootTree& root, const std::vector<std::string>& arguments) {
  std::vector<std::pair<std::string, std::string>> found;  // as it was called, and where it is here
  for (const std::string& path : absent) {
    const bool is_program = path.starts_with('/') && is_program_folder(parent_path(path));
    const std::string name = is_program ? std::string(base_name(path)) : path;
    const auto is_same = [&](const auto& other) { return other.first == name; };
    if (std::ranges::any_of(found, is_same)) continue;
    if (is_program) {
      if (const std::string here = program_here(path, host, root); !here.empty())
        found.emplace_back(name, here);
    } else if (path.starts_with('/') && is_named(path, arguments) && !has(root, path) &&
               host.walk(path).is_regular()) {
      found.emplace_back(name, path);
    }
  }
  if (found.empty()) return "";
  PackageDatabase packages(host);
  std::string text;
  // The last ones are nearest to what went wrong.
  for (size_t i = found.size() - std::min(found.size(), kMostHints); i < found.size(); ++i) {
    const auto& [name, here] = found[i];
    const std::string package = package_of(here, host, packages);
    text += fmt::format("narwhal: the guest has no {}; {}--include {} brings it along\n", name,
                        package.empty() ? "" : fmt::format("--package {} or ", package), here);
  }
  return text;
}

}  // namespace narwhal::tools
