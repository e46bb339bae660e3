// What the server's functions share: names, and files by their descriptors.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <string_view>

namespace narwhal::tools::p9 {

inline int result(int value) {
  return value < 0 ? errno : 0;
}

// A name of a directory's entry, as a C string; empty: none that may be used.
inline std::string entry_name(std::string_view name) {
  if (name == "." || name == ".." || name.find('/') != name.npos || name.find('\0') != name.npos)
    return "";
  return std::string(name);
}

// A way to open or change what an O_PATH descriptor stands for, as proc(5) has it.
inline std::string path_of_descriptor(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

inline bool status_of(int fd, struct stat& status) {
  return fstatat(fd, "", &status, AT_EMPTY_PATH) == 0;
}

}  // namespace narwhal::tools::p9
