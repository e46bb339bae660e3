// Reads a cpio archive in the "newc" format, cpio(5): a header of hexadecimal numbers, a name, the
// data, again and again. The archive stays where it is; members point into it.
#pragma once

#include <span>
#include <string_view>

#include "kernel/base/format.h"
#include "kernel/base/result.h"

namespace narwhal {

struct CpioMember {
  u64 header_offset = 0;  // in the archive, bytes
  u64 data_offset = 0;
  std::string_view name;  // as it stands there: perhaps with "./" or "/" in front
  std::span<const std::byte> data;
  u32 inode = 0, mode = 0, uid = 0, gid = 0, links = 0;
  u32 modified = 0;                          // seconds since 1970
  u32 device_major = 0, device_minor = 0;    // of the file system that it was read from
  u32 special_major = 0, special_minor = 0;  // of a device node
  std::string_view text() const {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }
};

class CpioReader {
 public:
  static constexpr usize kHeaderSize = 110;

  explicit CpioReader(std::span<const std::byte> archive) : archive_(archive) {}

  // Fills the next member; false at the trailer. EINVAL for what is no archive: describe() then
  // says where and why.
  Result<bool> next(CpioMember& member);

  // "at offset 4096, after \"bin/sh\": the header does not begin with 070701".
  void describe(TextSink& out) const;

 private:
  Errno fail(std::string_view reason);

  std::span<const std::byte> archive_;
  u64 offset_ = 0;  // of the next header
  u64 header_ = 0;  // of the one that was read last
  std::string_view name_;
  std::string_view reason_;
};

// The data of the member with this name, "./" in front not counted. ENOENT; EINVAL when something
// before it is malformed.
Result<std::span<const std::byte>> find_archive_member(std::span<const std::byte> archive,
                                                       std::string_view name);

// The name without the "/" and "./" that archivers put in front; "." itself becomes empty.
std::string_view archive_path(std::string_view name);

}  // namespace narwhal
