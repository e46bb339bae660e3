// Which shared libraries a program will load, found as its own loader would find them.
//
// Two loaders are known: glibc's ld.so (ld.so(8)) and musl's (dynlink.c; musl-libc.org's manual,
// "ldso"). Which one counts follows from the program's interpreter. The order of loading is
// breadth-first, as both do it.
//
// Not imitated, because the answer must hold for the guest and not for this machine:
// /etc/ld.so.preload, and the choice between versions of a library for levels of the instruction
// set (glibc-hwcaps). The base version is found, and every other version is reported next to it, so
// that the guest can choose. An empty element in a search path means the current folder to ld.so;
// here it means nothing. $PLATFORM is x86_64.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tools/base/host_view.h"
#include "tools/elf/elf_file.h"
#include "tools/elf/library_cache.h"

namespace narwhal::tools {

struct LoadedLibrary {
  std::string name;                   // as it was asked for
  std::string path;                   // as the loader opens it: with symbolic links and ".."
  std::string asked_by;               // path of the file that wants it
  std::string found_through;          // "RUNPATH", "the library cache", ...
  std::vector<std::string> variants;  // versions of it for hardware levels
};

struct MissingLibrary {
  std::string name;
  std::string asked_by;
};

// The libraries of one process: the program's first, then those of modules that it may dlopen.
class Resolver {
 public:
  struct Settings {
    std::string library_path;  // LD_LIBRARY_PATH in the guest
    std::string preload;       // LD_PRELOAD in the guest
  };

  Resolver(const HostView& host, Settings settings);

  // What the program needs. A program without an interpreter needs nothing.
  void add_program(const std::string& path);

  // What a file needs that the program may load at run time, over and above what is there already.
  void add_module(const std::string& path);

  // A library that is loaded by its name at run time, as if by dlopen(name) from the program. True
  // when it was found.
  bool add_named(const std::string& name);

  const std::string& interpreter() const { return interpreter_; }
  bool is_musl() const { return is_musl_; }
  const std::vector<LoadedLibrary>& libraries() const { return libraries_; }
  const std::vector<MissingLibrary>& missing() const { return missing_; }

  // The machine's cache, as parsed; empty when there is none.
  const LibraryCache& cache();

 private:
  // A file in the process, with the file that caused it to be loaded: search paths are inherited
  // along this chain.
  struct Object {
    std::string path;
    std::string origin;
    ElfFile elf;
    const Object* loader = nullptr;
  };
  struct Found {
    std::string path;
    std::string through;
    std::vector<std::string> variants;
  };

  Object* load(const std::string& path, const Object* loader);
  void load_needed(std::vector<Object*> pending);
  // The next object to visit, or nullptr when it is loaded already or cannot be found.
  Object* need(const std::string& name, const Object* loader, bool optional);

  bool find(const std::string& name, const Object& loader, Found& found);
  bool find_glibc(const std::string& name, const Object& loader, Found& found);
  bool find_musl(const std::string& name, const Object& loader, Found& found);
  bool find_in_cache(const std::string& name, bool defaults_too, Found& found);
  bool find_in(const std::vector<std::string>& folders, const std::string& name,
               const std::string& through, Found& found);
  bool acceptable(const std::string& path);

  std::vector<std::string> expand_path(const std::string& list, const Object& object) const;
  std::string expand(std::string text, const Object& object) const;
  const std::vector<std::string>& default_folders();
  const ElfFile& elf_at(const std::string& real_path);

  const HostView& host_;
  Settings settings_;
  std::string interpreter_;
  bool is_musl_ = false;
  std::vector<std::unique_ptr<Object>> objects_;
  std::set<std::string> known_names_;    // asked for, or a SONAME
  std::set<std::string> program_names_;  // those that are known whatever modules come later
  std::set<std::string> known_places_;
  std::map<std::string, ElfFile> elf_files_;
  std::vector<LoadedLibrary> libraries_;
  std::vector<MissingLibrary> missing_;
  std::vector<std::string> default_folders_;
  LibraryCache cache_;
  bool cache_was_read_ = false;
};

}  // namespace narwhal::tools
