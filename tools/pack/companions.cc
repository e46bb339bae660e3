#include "tools/pack/companions.h"

#include <fmt/format.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>

#include "tools/base/files.h"
#include "tools/pack/config_paths.h"
#include "tools/pack/rules.h"

namespace narwhal::tools {

namespace {

constexpr uint64_t kBiggestConfiguration = 256 << 10;
constexpr uint64_t kBiggestMentionedTree = 64 << 20;

// "libfoo.so.1" straight in a folder of libraries: the ELF resolver brings those that are needed.
bool is_system_library(std::string_view path) {
  const std::string_view folder = parent_path(path);
  const bool in_place = folder == "/lib" || folder == "/usr/lib" ||
                        folder == "/lib/x86_64-linux-gnu" || folder == "/usr/lib/x86_64-linux-gnu";
  return in_place && base_name(path).find(".so") != std::string_view::npos;
}

bool is_for_developers(std::string_view path) {
  return path.ends_with(".a") || path.ends_with(".o") || path.ends_with(".la");
}

// Where programs look for what other programs than themselves need: other programs, and what a
// compiler reads.
bool is_for_programs(std::string_view path) {
  constexpr std::string_view kPlaces[] = {
      "/bin",       "/sbin",        "/usr/bin", "/usr/sbin",
      "/usr/games", "/usr/include", "/usr/src", "/usr/lib/pkgconfig"};
  return std::ranges::any_of(kPlaces, [&](std::string_view each) { return is_inside(path, each); });
}

bool brings_programs(const std::vector<std::string>& files) {
  return std::any_of(files.begin(), files.end(), [](const std::string& path) {
    const std::string_view folder = parent_path(path);
    return folder == "/usr/bin" || folder == "/usr/sbin" || folder == "/bin" || folder == "/sbin";
  });
}

}  // namespace

Companions::Companions(const HostView& host, PackageDatabase& packages, Importer& importer,
                       RootTree& tree, std::vector<std::string>& notes)
    : host_(host), packages_(packages), importer_(importer), tree_(tree), notes_(notes) {}

void Companions::add_for_program(const std::string& path) {
  if (!packages_.is_present()) return;
  // A program may be a link from one package to another's file: /usr/bin/redis-server,
  // /usr/bin/python3.
  const HostView::Walk walked = host_.walk(path);
  std::vector<std::string> places = walked.links;
  places.push_back(walked.path);
  for (const std::string& place : places) {
    for (const Package* const package : packages_.owners(place)) {
      const HostView::Walk end = host_.walk_to_link(place);
      if (end.error == 0 && !S_ISDIR(end.status.st_mode) && !is_system_folder(place)) {
        take_family(*package);
      }
    }
  }
}

// The package itself; those from the same source that it asks for (nginx-common,
// libpython3.11-stdlib); and those that it asks for which only hold data for all machines
// (media-types).
void Companions::take_family(const Package& package) {
  if (taken_.contains(package.name)) return;
  take(package);
  for (const auto* const names : {&package.depends, &package.recommends}) {
    for (const std::string& name : *names) {
      const Package* const other = packages_.find(name);
      if (other == nullptr || taken_.contains(name)) continue;
      if (other->source == package.source) {
        take_family(*other);
      } else if (names == &package.depends && other->is_for_all_machines &&
                 !brings_programs(packages_.files(*other))) {
        take(*other);
      }
    }
  }
}

void Companions::take(const Package& package) {
  if (!taken_.insert(package.name).second) return;
  for (const std::string& path : packages_.files(package)) take_file(package, path);
}

bool Companions::add_package(const std::string& name) {
  const Package* const package = packages_.find(name);
  if (package == nullptr) return false;
  take_whole(*package);
  return true;
}

// Dependencies are followed in a loop: chains of them are long, and go round. Of them only what
// they list is taken: what their configuration leads to is other programs' business.
void Companions::take_whole(const Package& package) {
  take(package);
  std::vector<const Package*> left = {&package};
  for (const auto& [name, each] : packages_.all()) {
    if (each.is_essential) left.push_back(&each);
  }
  while (!left.empty()) {
    const Package& next = *left.back();
    left.pop_back();
    if (!taken_whole_.insert(next.name).second) continue;
    take_listed(next);
    for (const std::string& name : next.depends) {
      if (const Package* const other = packages_.find(name)) left.push_back(other);
    }
  }
}

void Companions::take_listed(const Package& package) {
  const std::string why = "package " + package.name;
  taken_.insert(package.name);
  for (const std::string& path : packages_.files(package)) {
    const PlacePolicy policy = policy_for(path);
    // /usr/share/gdb is for extensions of gdb's, which others need not have; but gdb has them.
    const bool is_own = is_inside(path, "/usr/share/" + package.source);
    if (policy == PlacePolicy::kSkip && !is_for_programs(path) && !is_own) continue;
    import_listed(path, policy, why);
  }
}

// One line of a package's list. Nothing when it does not come along; else whether it is a folder.
std::optional<bool> Companions::import_listed(const std::string& path, PlacePolicy policy,
                                              const std::string& why) {
  const HostView::Walk place = host_.walk_to_link(path);
  if (place.error != 0) return std::nullopt;
  const bool is_folder = S_ISDIR(place.status.st_mode);
  // A system folder that some package happens to list is there when something is in it.
  if (is_folder ? is_system_folder(path) : policy == PlacePolicy::kFolders) return std::nullopt;
  importer_.add(path, why);
  if (path.ends_with(".py")) take_compiled_python(path, why);
  return is_folder;
}

// No package lists /usr/bin/cc: it is a link that update-alternatives(1) made, and its second line
// of notes tells where.
void Companions::add_alternatives() {
  constexpr char kNotes[] = "/var/lib/dpkg/alternatives";
  for (const std::string& name : host_.list(kNotes)) {
    const auto text = host_.read(std::string(kNotes) + "/" + name);
    if (!text) continue;
    const size_t start = text->find('\n') + 1;
    const std::string link = text->substr(start, text->find('\n', start) - start);
    const HostView::Walk place = host_.walk(link);
    if (place.error == 0 && is_for_programs(link) && tree_.find(place.path) != nullptr) {
      importer_.add(link, "alternative name");
    }
  }
}

void Companions::take_file(const Package& package, const std::string& path) {
  const std::string why = "package " + package.name;
  if (is_inside(path, "/usr/lib/tmpfiles.d")) take_temporary_files(path, why);
  const PlacePolicy policy = policy_for(path);
  if (policy == PlacePolicy::kSkip || is_system_library(path) || is_for_developers(path)) return;
  const std::optional<bool> is_folder = import_listed(path, policy, why);
  if (!is_folder || policy != PlacePolicy::kWholeTree) return;
  if (!*is_folder) {
    read_configuration(path);
  } else if (belongs_to_family(path, package)) {
    take_configuration_tree(package, path);
  }
}

// Folders of a package under /run and /var/lib are often made at boot: tmpfiles.d(5), lines of type
// "d" and "D".
void Companions::take_temporary_files(const std::string& path, const std::string& why) {
  const auto text = host_.read(path);
  if (!text) return;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    char type[8];
    char folder[512];
    if (sscanf(line.c_str(), "%7s %511s", type, folder) != 2) continue;
    // As the machine has it now: mode and owner were set when it booted.
    if (type[0] == 'd' || type[0] == 'D') importer_.add(folder, why);
  }
}

// Python compiles what it imports, and keeps the result next to the source, one for each version of
// Python. Debian does that at installation, so no package lists these; they save a good part of the
// start-up time.
void Companions::take_compiled_python(const std::string& path, const std::string& why) {
  const size_t at = path.find("/python3.");
  if (at == std::string::npos) return;
  const size_t start = at + std::string_view("/python").size();
  std::string version = path.substr(start, path.find('/', start) - start);
  std::erase(version, '.');
  const std::string_view name = base_name(path);
  const std::string compiled =
      fmt::format("{}/__pycache__/{}.cpython-{}.pyc", parent_path(path),
                  name.substr(0, name.size() - std::string_view(".py").size()), version);
  if (host_.exists(compiled)) importer_.add(compiled, why);
}

bool Companions::belongs_to_family(const std::string& folder, const Package& package) {
  const auto owners = packages_.owners(folder);
  return !is_system_folder(folder) &&
         std::all_of(owners.begin(), owners.end(), [&](const Package* owner) {
           return owner->source == package.source || taken_.contains(owner->name);
         });
}

void Companions::take_configuration_tree(const Package& package, const std::string& folder) {
  importer_.add_tree(folder, "configuration of " + package.name);
  follow_links_to_other_packages(folder);
  const std::string inside = folder + "/";
  std::vector<std::string> files;
  for (auto at = tree_.entries().lower_bound(inside);
       at != tree_.entries().end() && at->first.starts_with(inside); ++at) {
    files.push_back(at->first);
  }
  for (const std::string& file : files) read_configuration(file);
}

// A link in a configuration folder switches something on that another package brought: a module, a
// site. That package is wanted whole.
void Companions::follow_links_to_other_packages(const std::string& folder) {
  const std::string inside = folder + "/";
  std::vector<std::string> targets;
  for (auto at = tree_.entries().lower_bound(inside);
       at != tree_.entries().end() && at->first.starts_with(inside); ++at) {
    if (!at->second.is_link()) continue;
    const HostView::Walk walked = host_.walk(at->first);
    if (walked.is_regular() && !is_inside(walked.path, folder)) targets.push_back(walked.path);
  }
  for (const std::string& target : targets) {
    for (const Package* const package : packages_.owners(target)) take_family(*package);
    read_configuration(target);
  }
}

void Companions::read_configuration(const std::string& path) {
  const HostView::Walk walked = host_.walk(path);
  if (!walked.is_regular() || walked.status.st_size > static_cast<off_t>(kBiggestConfiguration)) {
    return;
  }
  if (!read_configurations_.insert(walked.path).second) return;
  const auto text = read_file(host_.on_host(walked.path));
  if (!text) return;
  for (const std::string& mentioned : paths_in_configuration(*text)) {
    add_mentioned(mentioned, "named in " + path);
  }
}

void Companions::add_mentioned(const std::string& path, const std::string& why) {
  if (is_inside(path, "/proc") || is_inside(path, "/sys") || is_inside(path, "/dev")) return;
  const HostView::Walk walked = host_.walk(path);
  if (is_place_for_state(path) || is_place_for_state(walked.path)) {
    // A file to be written, or a folder to write into: the folder is what must be there.
    const std::string folder = walked.is_directory() ? path : std::string(parent_path(path));
    if (!is_system_folder(folder) && host_.walk(folder).is_directory()) importer_.add(folder, why);
    return;
  }
  if (walked.error != 0 || is_system_folder(walked.path)) return;
  const std::string_view folder = parent_path(walked.path);
  if (folder == "/usr/bin" || folder == "/usr/sbin") return;
  if (walked.is_regular()) {
    importer_.add(path, why);
    if (is_inside(path, "/etc")) read_configuration(path);
    return;
  }
  if (!walked.is_directory() || is_inside(path, "/usr") || is_inside(path, "/etc")) return;
  const uint64_t size = host_.size_of_tree(walked.path, kBiggestMentionedTree);
  if (size > kBiggestMentionedTree) {
    notes_.push_back(fmt::format("left out {} ({}): it has more than {}; add it with --include {}",
                                 path, why, format_size(kBiggestMentionedTree), path));
    return;
  }
  importer_.add_tree(path, why);
}

void Companions::add_for_library(const std::string& name, const std::string& path,
                                 std::vector<std::string>& wanted) {
  const std::string why = "read by " + name;
  for (const LibraryRule& rule : library_rules()) {
    if (!name.starts_with(rule.library)) continue;
    const std::string what(rule.path);
    switch (rule.what) {
      case LibraryRule::What::kPath:
        if (host_.exists(what)) importer_.add(what, why);
        break;
      case LibraryRule::What::kTree:
        if (host_.exists(what)) importer_.add_tree(what, why);
        break;
      case LibraryRule::What::kLibrary:
        wanted.push_back(what);
        break;
      case LibraryRule::What::kOwnPackage:
        add_for_program(path);
        break;
      case LibraryRule::What::kCertificates:
        add_certificates(why);
        break;
      case LibraryRule::What::kTerminal:
        add_terminal(why);
        break;
    }
  }
}

// One bundle, under whichever name this machine's family keeps it. Debian's OpenSSL also looks for
// cert.pem in its own folder before it turns to single certificates; a link there saves packing
// hundreds of those.
void Companions::add_certificates(const std::string& why) {
  constexpr const char* kBundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                      "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                                      "/etc/ssl/cert.pem"};
  for (const char* const bundle : kBundles) {
    if (!host_.exists(bundle)) continue;
    importer_.add(bundle, why);
    if (host_.walk("/usr/lib/ssl").is_directory()) {
      tree_.add("/usr/lib/ssl/cert.pem", RootEntry::link(bundle, why));
    }
  }
}

void Companions::add_terminal(const std::string& why) {
  const char* const terminal = getenv("TERM");
  for (const std::string_view name : {terminal == nullptr ? "dumb" : terminal, "xterm"}) {
    if (name.empty() || name.find('/') != std::string_view::npos) continue;
    for (const char* const place : {"/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"}) {
      const std::string path = fmt::format("{}/{}/{}", place, name[0], name);
      if (!host_.exists(path)) continue;
      importer_.add(path, why);
      break;
    }
  }
}

}  // namespace narwhal::tools
