// The files that a program needs and no ELF header names: configuration, data, folders to write to.
// Found from what Debian knows of packages and from what configuration files say; README.md tells
// the rules as a story, rules.cc has the tables.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tools/base/host_view.h"
#include "tools/pack/importer.h"
#include "tools/pack/packages.h"
#include "tools/pack/root_tree.h"
#include "tools/pack/rules.h"

namespace narwhal::tools {

class Companions {
 public:
  // Everything is borrowed and must outlive this object.
  Companions(const HostView& host, PackageDatabase& packages, Importer& importer, RootTree& tree,
             std::vector<std::string>& notes);

  // Adds what the packages that brought this file hold, and the packages that belong to those.
  void add_for_program(const std::string& path);

  // Adds a package that the user named: all of it but what is for people to read, with all that it
  // depends on, and the shell and tools that every package counts on. False when it is not
  // installed.
  bool add_package(const std::string& name);

  // Adds the names by which update-alternatives(1) calls programs that came along. Reads all of
  // its notes: once, after the last package.
  void add_alternatives();

  // Adds what library_rules() says about a library that the program loads. Names of libraries to
  // load by name are appended to `wanted`.
  void add_for_library(const std::string& name, const std::string& path,
                       std::vector<std::string>& wanted);

  // The packages that were taken in, for `narwhal inspect`.
  const std::set<std::string>& packages() const { return taken_; }

 private:
  void take(const Package& package);
  void take_whole(const Package& package);
  void take_listed(const Package& package);
  std::optional<bool> import_listed(const std::string& path, PlacePolicy policy,
                                    const std::string& why);
  void take_family(const Package& package);
  void take_file(const Package& package, const std::string& path);
  void take_compiled_python(const std::string& path, const std::string& why);
  void take_temporary_files(const std::string& path, const std::string& why);
  void take_configuration_tree(const Package& package, const std::string& folder);
  void follow_links_to_other_packages(const std::string& folder);
  void read_configuration(const std::string& path);
  void add_mentioned(const std::string& path, const std::string& why);
  bool belongs_to_family(const std::string& folder, const Package& package);
  void add_certificates(const std::string& why);
  void add_terminal(const std::string& why);

  const HostView& host_;
  PackageDatabase& packages_;
  Importer& importer_;
  RootTree& tree_;
  std::vector<std::string>& notes_;
  std::set<std::string> taken_;
  std::set<std::string> taken_whole_;
  std::set<std::string> read_configurations_;
};

}  // namespace narwhal::tools
