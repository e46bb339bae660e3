// Writes cpio archives for the tests of this folder, well-formed or not.
#pragma once

#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace narwhal::testing {

struct Member {
  std::string name;
  std::string data;
  unsigned mode = 0100644;
  unsigned inode = 0;  // 0: a new one
  unsigned links = 1;
  unsigned uid = 0, gid = 0, time = 0, special_major = 0, special_minor = 0;
};

class ArchiveWriter {
 public:
  // `align`: pads the name so that data of a page or more start on a page boundary, as our packer
  // does.
  explicit ArchiveWriter(bool align = true) : align_(align) {}

  ArchiveWriter& add(const Member& member) {
    std::size_t name_size = member.name.size() + 1;
    if (align_ && member.data.size() >= 4096)
      while ((bytes_.size() + 110 + name_size) % 4096 != 0) ++name_size;
    const unsigned inode = member.inode ? member.inode : next_inode_++;
    char header[111];
    std::snprintf(
        header, sizeof header, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x",
        inode, member.mode, member.uid, member.gid, member.links, member.time, member.data.size(),
        0u, 7u, member.special_major, member.special_minor, name_size, 0u);
    bytes_ += header;
    bytes_ += member.name;
    bytes_.append(name_size - member.name.size(), '\0');
    pad();
    bytes_ += member.data;
    pad();
    return *this;
  }
  std::string finish() {
    add({"TRAILER!!!", "", 0});
    return bytes_;
  }
  std::string& bytes() { return bytes_; }

 private:
  void pad() { bytes_.append((4 - bytes_.size() % 4) % 4, '\0'); }
  const bool align_;
  unsigned next_inode_ = 1000;
  std::string bytes_;
};

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace narwhal::testing
