#include "fs/archive/cpio.h"

#include <cstring>

namespace narwhal {

namespace {

constexpr usize kMagicSize = 6;
constexpr usize kFields = 13;
constexpr usize kFieldSize = 8;
static_assert(kMagicSize + kFields * kFieldSize == CpioReader::kHeaderSize);

bool parse_hex(const char* text, u32& value) {
  value = 0;
  for (usize i = 0; i < kFieldSize; ++i) {
    const char c = text[i];
    u32 digit;
    if (c >= '0' && c <= '9')
      digit = u32(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = u32(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
      digit = u32(c - 'A') + 10;
    else
      return false;
    value = value << 4 | digit;
  }
  return true;
}

// The format aligns what follows a name or data to four bytes.
constexpr u64 aligned(u64 offset) {
  return (offset + 3) & ~u64{3};
}

// What somebody may have passed instead.
std::string_view what_it_is(std::string_view start) {
  if (start.starts_with("070702"))
    return "the archive has checksums (format \"crc\"): make it with -H newc";
  if (start.starts_with("070707"))
    return "the archive is in the old format \"odc\": make it with -H newc";
  if (start.starts_with("\x1f\x8b") || start.starts_with("\x28\xb5\x2f\xfd") ||
      start.starts_with("\xfd"
                        "7zXZ") ||
      start.starts_with("BZh"))
    return "the archive is compressed: pass it uncompressed";
  return "the header does not begin with 070701";
}

}  // namespace

Errno CpioReader::fail(std::string_view reason) {
  reason_ = reason;
  return Errno::kInval;
}

Result<bool> CpioReader::next(CpioMember& member) {
  header_ = offset_;
  if (archive_.size() - offset_ < kHeaderSize) return fail("the archive ends before its trailer");
  const char* header = reinterpret_cast<const char*>(archive_.data()) + offset_;
  if (std::memcmp(header, "070701", kMagicSize) != 0) return fail(what_it_is({header, kMagicSize}));

  u32 data_size, name_size, checksum;
  u32* const fields[kFields] = {
      &member.inode,
      &member.mode,
      &member.uid,
      &member.gid,
      &member.links,
      &member.modified,
      &data_size,
      &member.device_major,
      &member.device_minor,
      &member.special_major,
      &member.special_minor,
      &name_size,
      &checksum,
  };
  for (usize i = 0; i < kFields; ++i)
    if (!parse_hex(header + kMagicSize + i * kFieldSize, *fields[i]))
      return fail("a number of the header is not hexadecimal");

  const u64 name_start = offset_ + kHeaderSize;
  if (name_size == 0) return fail("the name has no end");
  if (name_size > archive_.size() - name_start)
    return fail("the name goes beyond the archive's end");
  const char* name = header + kHeaderSize;
  if (name[name_size - 1] != '\0') return fail("the name has no end");
  name_ = member.name = std::string_view(name);

  const u64 data_start = aligned(name_start + name_size);
  if (data_start > archive_.size() || data_size > archive_.size() - data_start)
    return fail("the data go beyond the archive's end");
  member.header_offset = header_;
  member.data_offset = data_start;
  member.data = archive_.subspan(data_start, data_size);
  offset_ = aligned(data_start + data_size);
  // The padding behind the last data may be missing.
  if (offset_ > archive_.size()) offset_ = archive_.size();
  return member.name != "TRAILER!!!";
}

void CpioReader::describe(TextSink& out) const {
  out << "at offset " << header_;
  if (!name_.empty()) out << ", after \"" << name_ << '"';
  out << ": " << reason_;
}

std::string_view archive_path(std::string_view name) {
  for (;;) {
    if (name.starts_with('/'))
      name.remove_prefix(1);
    else if (name.starts_with("./"))
      name.remove_prefix(2);
    else if (name == ".")
      name.remove_prefix(1);
    else
      return name;
  }
}

Result<std::span<const std::byte>> find_archive_member(std::span<const std::byte> archive,
                                                       std::string_view name) {
  CpioReader reader(archive);
  CpioMember member;
  while (TRY(reader.next(member)))
    if (archive_path(member.name) == name) return member.data;
  return Errno::kNoEnt;
}

}  // namespace narwhal
