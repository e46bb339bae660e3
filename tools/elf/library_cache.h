// /etc/ld.so.cache: the file in which ldconfig(8) writes down where each library is.
//
// The format ("glibc-ld.so.cache1.1", little-endian) has no manual page; it is what glibc's
// dl-cache.h lays out: a header of 48 bytes, entries of 24 bytes sorted for binary search, then the
// strings. An old-format cache may stand in front of it. Entries for a certain level of the x86-64
// instruction set carry a flag and an index in their last field.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace narwhal::tools {

class LibraryCache {
 public:
  struct Entry {
    std::string name;                 // "libc.so.6"
    std::string path;                 // "/lib/x86_64-linux-gnu/libc.so.6"
    bool for_hardware_level = false;  // from a glibc-hwcaps folder: only some processors use it
  };

  LibraryCache() = default;

  // Parses the file's contents. Only entries for x86-64 libraries are kept. Throws Error, with a
  // reason, for a file that is not such a cache or points outside itself.
  static LibraryCache parse(std::string_view contents);

  // Writes a cache in the same format, sorted as ld.so's binary search demands. Entries for
  // hardware levels are left out: ld.so finds those through the folders.
  std::string serialize() const;

  // All places for a name, in the file's order: base versions and versions for hardware levels.
  std::vector<const Entry*> find(std::string_view name) const;

  const std::vector<Entry>& entries() const { return entries_; }
  void add(Entry entry) { entries_.push_back(std::move(entry)); }

 private:
  std::vector<Entry> entries_;
};

// The order of ld.so's binary search: like strcmp, but runs of digits compare as numbers.
int compare_library_names(std::string_view left, std::string_view right);

}  // namespace narwhal::tools
