// The machine's files as a program in a given root would see them.
//
// Paths are absolute *in the view*. With the root "" the view is the machine itself; with a folder
// as its root, an absolute symbolic link inside leads to a place inside, as after chroot(2). That
// is what makes the library search testable with small made-up roots.
//
// Look-ups are remembered: packing asks for the same folders thousands of times. So a view is a
// snapshot for one command, and is not thread-safe.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace narwhal::tools {

class HostView {
 public:
  explicit HostView(std::string root = "");

  // Where the path's last component lies on the machine. Only right for paths without symbolic
  // links on the way, such as the result of walk().
  std::string on_host(std::string_view path) const { return root_ + std::string(path); }

  struct Walk {
    std::string path;  // the place reached: absolute, no symbolic link, no "." or ".."
    std::vector<std::string> links;  // every symbolic link that was followed, in order
    int error = 0;                   // 0, or what stat(2) would say: ENOENT, ENOTDIR, ELOOP, EACCES
    struct stat status = {};         // of the place reached, when there was no error

    bool is_directory() const { return error == 0 && S_ISDIR(status.st_mode); }
    bool is_regular() const { return error == 0 && S_ISREG(status.st_mode); }
  };

  // Follows a path to its end, as stat(2) does.
  Walk walk(std::string_view path) const { return walk(path, 0); }

  // The same, but a symbolic link at the end of the path is itself the place, as with lstat(2).
  Walk walk_to_link(std::string_view path) const;

  bool exists(std::string_view path) const { return walk(path).error == 0; }

  std::optional<std::string> read(std::string_view path) const;
  std::optional<std::string> read_link(std::string_view path) const;

  // Names in a folder, sorted; empty when it cannot be read.
  std::vector<std::string> list(std::string_view path) const;

  // Bytes in the regular files below a folder; stops counting above `enough`. Symbolic links are
  // not followed.
  uint64_t size_of_tree(std::string_view path, uint64_t enough) const;

 private:
  Walk walk(std::string_view path, int depth) const;
  Walk walk_parent(std::string_view path, std::string_view* name, int depth) const;

  std::string root_;
  mutable std::unordered_map<std::string, Walk> folders_;
};

// Text only: "/a/./b//c/.." becomes "/a/b". A relative path is taken from `base`.
std::string clean_path(std::string_view path, std::string_view base = "/");

std::string_view base_name(std::string_view path);
std::string_view parent_path(std::string_view path);

// Is `path` the folder itself or something in it? Both clean.
bool is_inside(std::string_view path, std::string_view folder);

}  // namespace narwhal::tools
