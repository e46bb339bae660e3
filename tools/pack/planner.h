// From "run this program with these options" to a complete plan of its root file system.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/base/host_view.h"
#include "tools/elf/resolver.h"
#include "tools/pack/base_root.h"
#include "tools/pack/boot_settings.h"
#include "tools/pack/program.h"
#include "tools/pack/root_tree.h"

namespace narwhal::tools {

// A file or folder of the machine at a place of the guest.
struct Mapping {
  std::string host;   // as the user wrote it, relative to this process's working folder
  std::string guest;  // clean and absolute; empty: where it is on the machine
};

struct PackRequest {
  std::string program;
  std::vector<std::string> arguments;  // after argv[0]
  std::vector<std::pair<std::string, std::string>> environment;
  std::string working_folder = "/";  // in the guest
  unsigned uid = 0;
  unsigned gid = 0;
  std::vector<Mapping> includes;
  std::vector<std::string> wanted_packages;  // by name; whole, with what they depend on
  std::vector<Mapping> volumes;
  bool shares_folders = true;  // the guest can see a volume's folder itself; otherwise it is copied
  BaseSettings base;
  std::string search_path;     // folders to look the program's name up in
  std::string current_folder;  // of this process
};

struct PackPlan {
  Program program;
  std::string interpreter;  // the loader of the program that runs in the end
  std::vector<LoadedLibrary> libraries;
  std::vector<MissingLibrary> missing;         // of the program: it cannot start
  std::vector<MissingLibrary> missing_extras;  // of modules that it may load
  // Volumes that are folders, in the request's order: `host` absolute. The guest sees them when it
  // runs; the root has but the place.
  struct Share {
    Mapping mapping;
    size_t volume;  // which of the request's
  };
  std::vector<Share> shares;
  std::vector<std::string> packages;
  std::vector<std::string> notes;  // one line each, for the user
  RootTree root;

  // program, arg, env, cwd, user, hostname: what belongs to the program and not to one run of it.
  BootSettings settings;
};

// Throws Error when there is no program to run, or an include or volume does not exist. Missing
// libraries are in the plan, so that `narwhal inspect` can show all of them; call
// require_complete() to insist.
PackPlan make_plan(const HostView& host, const PackRequest& request);

// Throws Error when the program cannot start with what was found.
void require_complete(const PackPlan& plan);

}  // namespace narwhal::tools
