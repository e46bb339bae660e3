#include "tools/elf/resolver.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/base/error.h"

namespace narwhal::tools {

namespace {

// Under every folder of a search, most demanding first.
constexpr const char* kHardwareLevels[] = {"glibc-hwcaps/x86-64-v4", "glibc-hwcaps/x86-64-v3",
                                           "glibc-hwcaps/x86-64-v2"};

// musl's loader is its libc; these names all mean the loader itself ("reserved" in its dynlink.c).
constexpr std::string_view kPartsOfMusl[] = {"libc.",  "libpthread.", "librt.",  "libm.",
                                             "libdl.", "libutil.",    "libxnet."};

std::vector<std::string> split(std::string_view text, std::string_view separators) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = text.find_first_of(separators);
    if (end != 0) parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

void replace_variable(std::string& text, std::string_view name, std::string_view value) {
  for (const std::string& form : {fmt::format("${{{}}}", name), fmt::format("${}", name)}) {
    size_t at = 0;
    while ((at = text.find(form, at)) != std::string::npos) {
      text.replace(at, form.size(), value);
      at += value.size();
    }
  }
}

}  // namespace

Resolver::Resolver(const HostView& host, Settings settings)
    : host_(host), settings_(std::move(settings)) {}

void Resolver::add_program(const std::string& path) {
  Object* const program = load(path, nullptr);
  interpreter_ = program->elf.interpreter;
  if (interpreter_.empty()) return;
  is_musl_ = base_name(interpreter_).starts_with("ld-musl");
  // A library may need the loader by name (libc does); it is in the process from the start.
  const HostView::Walk loader = host_.walk(interpreter_);
  if (loader.error == 0) {
    known_places_.insert(loader.path);
    known_names_.insert(std::string(base_name(interpreter_)));
    const std::string soname = elf_at(loader.path).soname;
    if (!soname.empty()) known_names_.insert(soname);
  }
  std::vector<Object*> pending;
  for (const std::string& name : split(settings_.preload, ": ")) {
    if (Object* const object = need(name, program, false)) pending.push_back(object);
  }
  pending.insert(pending.begin(), program);
  load_needed(std::move(pending));
  program_names_ = known_names_;
}

void Resolver::add_module(const std::string& path) {
  const HostView::Walk walked = host_.walk(path);
  if (walked.error == 0 && !known_places_.insert(walked.path).second) return;
  // Whether other modules are there when this one is loaded nobody knows, so their libraries are
  // not taken for granted: this one's RUNPATH may lead to another file of the same name.
  known_names_ = program_names_;
  load_needed({load(path, objects_.empty() ? nullptr : objects_.front().get())});
}

bool Resolver::add_named(const std::string& name) {
  known_names_ = program_names_;
  if (objects_.empty() || known_names_.contains(name)) return true;
  Object* const object = need(name, objects_.front().get(), true);
  if (object != nullptr) load_needed({object});
  program_names_ = known_names_;
  return known_names_.contains(name);
}

const LibraryCache& Resolver::cache() {
  if (!cache_was_read_) {
    cache_was_read_ = true;
    if (const auto contents = host_.read("/etc/ld.so.cache")) {
      cache_ = LibraryCache::parse(*contents);
    }
  }
  return cache_;
}

Resolver::Object* Resolver::load(const std::string& path, const Object* loader) {
  auto object = std::make_unique<Object>();
  const HostView::Walk walked = host_.walk(path);
  object->path = path;
  // $ORIGIN is the folder of the file after all symbolic links (ld.so asks /proc/self/exe, or
  // realpath).
  object->origin = std::string(parent_path(walked.path));
  object->elf = elf_at(walked.path);
  object->loader = loader;
  objects_.push_back(std::move(object));
  return objects_.back().get();
}

void Resolver::load_needed(std::vector<Object*> pending) {
  for (size_t next = 0; next < pending.size(); ++next) {
    const Object* const object = pending[next];
    for (const std::string& name : object->elf.filtees) {
      if (Object* const found = need(name, object, true)) pending.push_back(found);
    }
    for (const std::string& name : object->elf.needed) {
      if (Object* const found = need(name, object, false)) pending.push_back(found);
    }
  }
}

Resolver::Object* Resolver::need(const std::string& name, const Object* loader, bool optional) {
  if (known_names_.contains(name)) return nullptr;
  Found found;
  if (!find(name, *loader, found)) {
    if (optional) return nullptr;
    known_names_.insert(name);  // say it once
    missing_.push_back({name, loader->path});
    return nullptr;
  }
  known_names_.insert(name);
  const HostView::Walk walked = host_.walk(found.path);
  if (!known_places_.insert(walked.path).second) return nullptr;
  const std::string soname = elf_at(walked.path).soname;
  if (!soname.empty()) known_names_.insert(soname);
  libraries_.push_back({name, found.path, loader->path, found.through, found.variants});
  return load(found.path, loader);
}

bool Resolver::find(const std::string& name, const Object& loader, Found& found) {
  if (name.find('/') != std::string::npos) {
    const std::string path = expand(name, loader);
    if (!acceptable(path)) return false;
    found.path = path;
    found.through = "its path";
    return true;
  }
  return is_musl_ ? find_musl(name, loader, found) : find_glibc(name, loader, found);
}

// ld.so(8), "If filename does not contain a slash", and glibc's _dl_map_object for what the page
// leaves open.
bool Resolver::find_glibc(const std::string& name, const Object& loader, Found& found) {
  if (loader.elf.runpath.empty()) {
    for (const Object* object = &loader; object != nullptr; object = object->loader) {
      if (find_in(expand_path(object->elf.rpath, *object), name, "RPATH of " + object->path,
                  found)) {
        return true;
      }
    }
  }
  const Object& program = *objects_.front();
  if (find_in(expand_path(settings_.library_path, program), name, "LD_LIBRARY_PATH", found)) {
    return true;
  }
  if (find_in(expand_path(loader.elf.runpath, loader), name, "RUNPATH of " + loader.path, found)) {
    return true;
  }
  const bool defaults = !loader.elf.no_default_libraries;
  if (find_in_cache(name, defaults, found)) return true;
  return defaults && find_in(default_folders(), name, "the default folders", found);
}

// musl's load_library: LD_LIBRARY_PATH, then RPATH or RUNPATH (no difference) of the loader and of
// all that loaded it, then the system's list.
bool Resolver::find_musl(const std::string& name, const Object& loader, Found& found) {
  for (const std::string_view part : kPartsOfMusl) {
    if (!name.starts_with(part)) continue;
    found.path = interpreter_;
    found.through = "the loader itself";
    return acceptable(interpreter_);
  }
  if (find_in(split(settings_.library_path, ":\n"), name, "LD_LIBRARY_PATH", found)) return true;
  for (const Object* object = &loader; object != nullptr; object = object->loader) {
    const std::string& list = object->elf.runpath.empty() ? object->elf.rpath : object->elf.runpath;
    if (find_in(expand_path(list, *object), name, "RUNPATH of " + object->path, found)) return true;
  }
  return find_in(default_folders(), name, "musl's path", found);
}

bool Resolver::find_in_cache(const std::string& name, bool defaults_too, Found& found) {
  for (const LibraryCache::Entry* const entry : cache().find(name)) {
    if (!acceptable(entry->path)) continue;
    if (entry->for_hardware_level) {
      found.variants.push_back(entry->path);
      continue;
    }
    const auto& defaults = default_folders();
    const bool is_default = std::find(defaults.begin(), defaults.end(),
                                      std::string(parent_path(entry->path))) != defaults.end();
    if (is_default && !defaults_too) continue;
    if (found.path.empty()) found.path = entry->path;
  }
  found.through = "the library cache";
  return !found.path.empty();
}

bool Resolver::find_in(const std::vector<std::string>& folders, const std::string& name,
                       const std::string& through, Found& found) {
  for (const std::string& folder : folders) {
    const std::string path = folder + "/" + name;
    const bool here = acceptable(path);
    if (!is_musl_) {
      for (const char* const level : kHardwareLevels) {
        const std::string variant = fmt::format("{}/{}/{}", folder, level, name);
        if (!acceptable(variant)) continue;
        // A processor of a high enough level takes this one, so it is an answer too, if not one to
        // rely on.
        found.variants.push_back(variant);
      }
    }
    if (!here) continue;
    found.path = path;
    found.through = through;
    return true;
  }
  return false;
}

// ld.so silently passes over files of another class or machine.
bool Resolver::acceptable(const std::string& path) {
  const HostView::Walk walked = host_.walk(path);
  return walked.is_regular() && elf_at(walked.path).is_usable();
}

std::vector<std::string> Resolver::expand_path(const std::string& list,
                                               const Object& object) const {
  std::vector<std::string> folders;
  for (const std::string& part : split(list, is_musl_ ? ":" : ":;")) {
    std::string folder = expand(part, object);
    while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
    if (folder.starts_with('/')) folders.push_back(folder);
  }
  return folders;
}

std::string Resolver::expand(std::string text, const Object& object) const {
  if (text.find('$') == std::string::npos) return text;
  replace_variable(text, "ORIGIN", object.origin);
  if (is_musl_) return text;
  // What $LIB is was decided when ld.so was built: Debian and its kin say the first, most others
  // the second.
  const bool multiarch = host_.exists("/lib/x86_64-linux-gnu");
  replace_variable(text, "LIB", multiarch ? "lib/x86_64-linux-gnu" : "lib64");
  replace_variable(text, "PLATFORM", "x86_64");
  return text;
}

const std::vector<std::string>& Resolver::default_folders() {
  if (!default_folders_.empty()) return default_folders_;
  if (is_musl_) {
    const std::string folder(parent_path(interpreter_));
    const std::string prefix(parent_path(folder) == "/" ? "" : parent_path(folder));
    const auto list = host_.read(prefix + "/etc/ld-musl-x86_64.path");
    default_folders_ = split(list.value_or("/lib:/usr/local/lib:/usr/lib"), ":\n");
  } else {
    default_folders_ = {"/lib/x86_64-linux-gnu",
                        "/usr/lib/x86_64-linux-gnu",
                        "/lib64",
                        "/usr/lib64",
                        "/lib",
                        "/usr/lib"};
  }
  return default_folders_;
}

const ElfFile& Resolver::elf_at(const std::string& real_path) {
  const auto known = elf_files_.find(real_path);
  if (known != elf_files_.end()) return known->second;
  ElfFile elf;
  try {
    elf = read_elf(host_.on_host(real_path));
  } catch (const Error&) {
    elf = ElfFile();  // not readable: ld.so goes on with the next folder too
  }
  return elf_files_.emplace(real_path, std::move(elf)).first->second;
}

}  // namespace narwhal::tools
