// Brings files of the machine into the root tree, with the symbolic links that lead to them, so
// that a path means the same in the guest as on the machine.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tools/base/host_view.h"
#include "tools/pack/root_tree.h"

namespace narwhal::tools {

class Importer {
 public:
  // Notes are lines for the user about what was left out. Both references must outlive the
  // importer.
  Importer(const HostView& host, RootTree& tree, std::vector<std::string>& notes);

  // Adds what a path leads to, and every symbolic link on the way. A folder comes without its
  // contents. Nothing happens when the path does not exist, except that links towards it are added,
  // as they are on the machine.
  HostView::Walk add(std::string_view path, const std::string& why);

  // Adds a folder with all that is in it. A symbolic link in it is added with what it leads to: a
  // file, or a folder with all that is in it, unless that is a folder of the system such as /usr.
  void add_tree(std::string_view path, const std::string& why);

  // Copies a file or folder of the machine to a place of its own in the guest, over what is there.
  // Links are copied as they are. `host_path` is a place of the machine itself, not of the view:
  // absolute, without symbolic links.
  void copy_to(const std::string& host_path, const std::string& guest_path, const std::string& why);

 private:
  void add_place(const HostView::Walk& place, const std::string& why);
  bool may_read(const std::string& path_on_host);

  const HostView& host_;
  RootTree& tree_;
  std::vector<std::string>& notes_;
  std::set<std::string> visited_trees_;
};

// Folders that nobody means to pack whole because a link or a line in a configuration file leads
// there.
bool is_system_folder(std::string_view path);

}  // namespace narwhal::tools
