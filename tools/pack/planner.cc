#include "tools/pack/planner.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <memory>
#include <span>

#include "tools/base/error.h"
#include "tools/pack/companions.h"
#include "tools/pack/importer.h"

namespace narwhal::tools {

namespace {

// How the user said it; also why the files are there.
constexpr char kVolume[] = "-v";
constexpr char kInclude[] = "--include";

class Planner {
 public:
  Planner(const HostView& host, const PackRequest& request)
      : host_(host),
        request_(request),
        packages_(host),
        importer_(host, plan_.root, plan_.notes),
        companions_(host, packages_, importer_, plan_.root, plan_.notes) {}

  PackPlan make() {
    find_program();
    add_base_root(host_, request_.base, importer_, plan_.root);
    add_program();
    for (const std::string& name : request_.wanted_packages) add_package(name);
    if (!request_.wanted_packages.empty()) companions_.add_alternatives();
    for (const Mapping& include : request_.includes) add_include(include);
    for (const Mapping& volume : request_.volumes) add_mapping(volume, kVolume);
    add_libraries();
    empty_shares();
    add_working_folder();
    add_library_cache();
    complete_folders();
    add_settings();
    plan_.packages.assign(companions_.packages().begin(), companions_.packages().end());
    return std::move(plan_);
  }

 private:
  void find_program() {
    ProgramFinder finder(host_, request_.search_path, request_.current_folder);
    // A path may mean a place in the guest, inside a volume.
    for (const auto* const mappings : {&request_.volumes, &request_.includes}) {
      for (const Mapping& mapping : *mappings) {
        if (mapping.guest.empty() || !is_inside(request_.program, mapping.guest)) continue;
        const std::string inside = request_.program.substr(mapping.guest.size());
        plan_.program = finder.at(clean_path(mapping.host + inside, request_.current_folder));
        guest_program_ = request_.program;
        return;
      }
    }
    plan_.program = finder.find(request_.program);
    guest_program_ = plan_.program.path;
  }

  void add_program() {
    const bool mapped = guest_program_ != plan_.program.path;
    for (const auto* const paths : {&plan_.program.scripts, &plan_.program.binaries}) {
      for (const std::string& path : *paths) {
        if (mapped && path == plan_.program.path) continue;  // comes with its volume
        importer_.add(path, path == plan_.program.path ? "the program" : "interpreter");
      }
    }
    for (const std::string& path : plan_.program.binaries) companions_.add_for_program(path);
    if (!plan_.program.scripts.empty()) companions_.add_for_program(plan_.program.scripts.front());
  }

  void add_package(const std::string& name) {
    if (companions_.add_package(name)) return;
    fail(
        "--package {}: this machine has no such package installed; apt-get install {}, or check "
        "the name with dpkg -l",
        name, name);
  }

  void add_include(const Mapping& include) {
    if (!include.guest.empty()) return add_mapping(include, kInclude);
    const std::string path = clean_path(include.host, request_.current_folder);
    if (!host_.exists(path)) fail("{} {}: no such file", kInclude, include.host);
    importer_.add_tree(path, kInclude);
  }

  void add_mapping(const Mapping& mapping, const std::string& option) {
    char real[PATH_MAX];
    if (realpath(clean_path(mapping.host, request_.current_folder).c_str(), real) == nullptr) {
      fail("{} {}: {}", option, mapping.host, strerror(errno));
    }
    const std::string guest = plan_.root.resolve(mapping.guest);
    if (option == kVolume) plan_.root.remove(guest);
    importer_.copy_to(real, guest, option);
    mapped_.emplace_back(real, guest);
    struct stat status = {};
    if (option == kVolume && request_.shares_folders && stat(real, &status) == 0 &&
        S_ISDIR(status.st_mode)) {
      plan_.shares.push_back(
          {{real, guest}, static_cast<size_t>(&mapping - request_.volumes.data())});
    }
  }

  // What a shared folder holds was only looked at, for the libraries that programs in it need.
  void empty_shares() {
    for (const PackPlan::Share& share : plan_.shares) {
      const std::string& guest = share.mapping.guest;
      const RootEntry* const there = plan_.root.find(guest);
      RootEntry place = there != nullptr ? *there : RootEntry::directory(0755, kVolume);
      plan_.root.remove(guest);
      plan_.root.add(guest, std::move(place));
    }
  }

  // The program's libraries, those of every module and program that came along, and what the
  // libraries ask for: which may be files with libraries again.
  void add_libraries() {
    const auto& binaries = plan_.program.binaries;
    for (const std::string& path : binaries) {
      auto resolver = std::make_unique<Resolver>(host_, resolver_settings());
      resolver->add_program(path);
      take_libraries(*resolver);
      if (!resolver->interpreter().empty()) importer_.add(resolver->interpreter(), "the loader");
      plan_.missing.insert(plan_.missing.end(), resolver->missing().begin(),
                           resolver->missing().end());
      known_missing_ = resolver->missing().size();
      resolver_ = std::move(resolver);
      scanned_.insert(host_.on_host(host_.walk(path).path));
    }
    plan_.interpreter = resolver_->interpreter();
    while (scan_modules()) take_libraries(*resolver_);
    note_missing(std::span(resolver_->missing()).subspan(known_missing_));
  }

  Resolver::Settings resolver_settings() const {
    Resolver::Settings settings;
    for (const auto& [name, value] : request_.environment) {
      if (name == "LD_LIBRARY_PATH") settings.library_path = value;
      if (name == "LD_PRELOAD") settings.preload = value;
    }
    return settings;
  }

  // Brings the resolver's new libraries into the tree, and what they read.
  void take_libraries(Resolver& resolver) {
    for (size_t next = 0; next < resolver.libraries().size(); ++next) {
      const LoadedLibrary library = resolver.libraries()[next];
      if (!taken_libraries_.insert(library.path).second) continue;
      const std::string place = host_.walk(library.path).path;
      scanned_.insert(host_.on_host(place));
      if (!is_mapped(place)) {
        importer_.add(library.path, "library of " + library.asked_by);
        for (const std::string& variant : library.variants) importer_.add(variant, "variant");
      }
      plan_.libraries.push_back(library);
      std::vector<std::string> wanted;
      companions_.add_for_library(library.name, library.path, wanted);
      for (const std::string& name : wanted) resolver.add_named(name);
    }
  }

  // A volume may hold a program with its libraries; these are in the guest already, at the volume's
  // place.
  bool is_mapped(const std::string& place) const {
    return std::any_of(mapped_.begin(), mapped_.end(),
                       [&](const auto& mapping) { return is_inside(place, mapping.first); });
  }

  // Looks at ELF files in the tree that were not looked at yet. False when there were none.
  bool scan_modules() {
    std::vector<std::string> modules;
    for (const auto& [path, entry] : plan_.root.entries()) {
      if (!entry.is_regular() || entry.source.empty()) continue;
      const bool candidate =
          (entry.mode & 0111) != 0 || base_name(path).find(".so") != std::string_view::npos;
      if (!candidate || !scanned_.insert(entry.source).second) continue;
      // A path in the view; where a volume put it does not matter for its libraries.
      modules.push_back(entry.source.substr(host_.on_host("").size()));
    }
    for (const std::string& path : modules) {
      const ElfFile elf = read_elf(host_.on_host(path));
      if (!elf.is_usable()) continue;
      if (elf.interpreter.empty()) {
        resolver_->add_module(path);
      } else {
        add_other_program(path, elf);
      }
    }
    return !modules.empty();
  }

  // A program that came along, to be started by the first one: it has a loader and libraries of its
  // own.
  void add_other_program(const std::string& path, const ElfFile& elf) {
    Resolver resolver(host_, resolver_settings());
    resolver.add_program(path);
    if (host_.exists(elf.interpreter)) importer_.add(elf.interpreter, "the loader of " + path);
    take_libraries(resolver);
    note_missing(resolver.missing());
  }

  void note_missing(std::span<const MissingLibrary> missing) {
    for (const MissingLibrary& library : missing) {
      plan_.missing_extras.push_back(library);
      plan_.notes.push_back(fmt::format("{} needs {}, which was not found: it cannot be loaded",
                                        library.asked_by, library.name));
    }
  }

  void add_working_folder() {
    const std::string folder = plan_.root.resolve(request_.working_folder);
    const RootEntry* const there = plan_.root.find(folder);
    if (there != nullptr && !there->is_directory()) {
      fail("-w {}: not a folder in the guest", request_.working_folder);
    }
    if (folder == "/" || there != nullptr) return;
    RootEntry entry = RootEntry::directory(0755, "working folder");
    entry.uid = request_.uid;
    entry.gid = request_.gid;
    plan_.root.add(folder, std::move(entry));
  }

  // The machine's cache names thousands of libraries that the guest does not have. This one names
  // those that it has.
  void add_library_cache() {
    if (resolver_->interpreter().empty() || resolver_->is_musl()) return;
    if (plan_.root.find("/etc/ld.so.cache") != nullptr) return;
    LibraryCache cache;
    for (const LibraryCache::Entry& entry : resolver_->cache().entries()) {
      // Names that nothing asked for (libz.so, for linking) are left out with their links.
      const HostView::Walk place = host_.walk_to_link(entry.path);
      if (place.error == 0 && plan_.root.find(place.path) != nullptr) cache.add(entry);
    }
    if (cache.entries().empty()) return;
    plan_.root.add("/etc/ld.so.cache",
                   RootEntry::text(cache.serialize(), "where the libraries are"));
  }

  // Every folder on the way to something, as it is on the machine.
  void complete_folders() {
    std::vector<std::string> wanted;
    for (const auto& [path, entry] : plan_.root.entries()) wanted.push_back(path);
    for (const std::string& path : wanted) {
      for (std::string_view folder = parent_path(path); folder != "/";
           folder = parent_path(folder)) {
        const std::string name(folder);
        if (plan_.root.find(name) != nullptr) break;
        const HostView::Walk place = host_.walk_to_link(name);
        if (place.error == 0 && S_ISDIR(place.status.st_mode) && place.path == name) {
          plan_.root.add(name, RootEntry::from_status(place.status, "on the way to a file"));
        } else {
          plan_.root.add(name, RootEntry::directory(0755, "on the way to a file"));
        }
      }
    }
  }

  void add_settings() {
    BootSettings& settings = plan_.settings;
    settings.add("program", guest_program_);
    settings.add("arg", request_.program);
    for (const std::string& argument : request_.arguments) settings.add("arg", argument);
    for (const auto& [name, value] : request_.environment) settings.add("env", name + "=" + value);
    settings.add("cwd", request_.working_folder);
    settings.add("user", fmt::format("{}:{}", request_.uid, request_.gid));
    settings.add("hostname", request_.base.hostname);
  }

  const HostView& host_;
  const PackRequest& request_;
  PackPlan plan_;
  PackageDatabase packages_;
  Importer importer_;
  Companions companions_;
  std::string guest_program_;
  std::unique_ptr<Resolver> resolver_;  // of the program that runs in the end
  size_t known_missing_ = 0;
  std::set<std::string> taken_libraries_;
  std::set<std::string> scanned_;
  std::vector<std::pair<std::string, std::string>> mapped_;  // machine -> guest
};

}  // namespace

PackPlan make_plan(const HostView& host, const PackRequest& request) {
  return Planner(host, request).make();
}

void require_complete(const PackPlan& plan) {
  if (plan.missing.empty()) return;
  const MissingLibrary& first = plan.missing.front();
  std::string more;
  if (plan.missing.size() > 1) {
    more = fmt::format(" (and {} more; narwhal inspect lists them)", plan.missing.size() - 1);
  }
  fail_with(kNotExecutable,
            "{} needs the library {}, which is not on this machine{}; install it, or name its "
            "folder with -e LD_LIBRARY_PATH=FOLDER",
            first.asked_by, first.name, more);
}

}  // namespace narwhal::tools
