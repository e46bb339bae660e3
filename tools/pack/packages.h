// Debian's own knowledge of which files belong together: /var/lib/dpkg/status and
// /var/lib/dpkg/info/*.list (dpkg(1), deb-control(5)). Read directly, because dpkg-query takes
// longer than everything else that packing does.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/base/host_view.h"

namespace narwhal::tools {

struct Package {
  std::string name;
  std::string source;                // the source package that it was built from
  bool is_for_all_machines = false;  // Architecture: all
  bool is_essential = false;         // others need it without saying so (deb-control(5))
  std::vector<std::string> depends;  // installed ones only; of alternatives, each that is installed
  std::vector<std::string> recommends;  // the same
  std::string list;                     // file of file names, in /var/lib/dpkg/info
};

// Text of a control file -> packages that are installed, without `list`. For tests, and for the
// constructor.
std::map<std::string, Package> parse_package_status(std::string_view text);

class PackageDatabase {
 public:
  explicit PackageDatabase(const HostView& host);

  // False on machines of another family: every question is then answered with "nothing".
  bool is_present() const { return !packages_.empty(); }

  const Package* find(const std::string& name) const;
  const std::map<std::string, Package>& all() const { return packages_; }

  // The packages that list a path; more than one for folders, none for what no package brought, or
  // what lies outside of the folders that packages put files into by the file system standard. On
  // machines where /bin is a link to /usr/bin, packages may list a file by either name, and both
  // count.
  std::vector<const Package*> owners(const std::string& path);

  // What a package lists, in its order; folders included.
  std::vector<std::string> files(const Package& package) const;

 private:
  void read_lists();

  const HostView& host_;
  std::map<std::string, Package> packages_;
  // All lists after one another, each line's start marked by the newline before it; and where each
  // list starts.
  std::string lists_;
  std::vector<std::pair<size_t, const Package*>> starts_;
};

}  // namespace narwhal::tools
