// The root file system to be, as a plan: what stands where, with which owner and mode, and why it
// is there. Contents of files stay on the machine until the archive is written.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace narwhal::tools {

struct RootEntry {
  mode_t mode = 0;  // type and permissions, as in stat(2)
  uid_t uid = 0;
  gid_t gid = 0;
  int64_t modified =
      0;  // seconds since the epoch; 0 for what narwhal makes itself, so that archives repeat
  dev_t device = 0;     // of a device node
  uint64_t size = 0;    // of a regular file
  std::string source;   // a regular file's place on the machine; empty when `content` counts
  std::string content;  // a made file's text, or a symbolic link's target

  // Which file on the machine this is, and how many names it has there: names of one file stay one
  // file.
  std::pair<dev_t, ino_t> identity = {0, 0};
  nlink_t names = 1;

  std::string why;  // for `narwhal inspect`

  bool is_directory() const { return S_ISDIR(mode); }
  bool is_regular() const { return S_ISREG(mode); }
  bool is_link() const { return S_ISLNK(mode); }

  static RootEntry directory(mode_t permissions, std::string why);
  static RootEntry text(std::string content, std::string why, mode_t permissions = 0644);
  static RootEntry link(std::string target, std::string why);
  // What stat(2) said; the caller adds the source or the link's target.
  static RootEntry from_status(const struct stat& status, std::string why);
};

class RootTree {
 public:
  using Entries = std::map<std::string, RootEntry>;

  // Adds an entry at a clean absolute path. What came first stays; false when something was there.
  bool add(const std::string& path, RootEntry entry);

  // The same, but what was there goes: with everything below it, unless both are folders.
  void replace(const std::string& path, RootEntry entry);

  // Removes a path and everything below it.
  void remove(const std::string& path);

  const RootEntry* find(const std::string& path) const;

  // Where a guest path leads when the tree's own symbolic links are followed. Parts that the tree
  // does not have are taken as they are; a loop of links is left as it is.
  std::string resolve(std::string_view path) const;

  // Sorted by path, parents before children.
  const Entries& entries() const { return entries_; }

  // Bytes in regular files, each file counted once however many names it has.
  uint64_t total_size() const;

 private:
  Entries entries_;
};

}  // namespace narwhal::tools
