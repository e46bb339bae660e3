#include "tools/elf/library_cache.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "tools/base/error.h"

namespace narwhal::tools {

namespace {

constexpr std::string_view kOldMagic = "ld.so-1.7.0";
constexpr std::string_view kMagic = "glibc-ld.so.cache1.1";

// Offsets and sizes in the file.
constexpr size_t kOldHeaderSize = 16;  // magic, padding, number of entries
constexpr size_t kOldEntrySize = 12;
constexpr size_t kHeaderSize = 48;
constexpr size_t kEntrySize = 24;
constexpr size_t kCountAt = 20;
constexpr size_t kStringsSizeAt = 24;
constexpr size_t kFlagsAt = 28;

constexpr uint8_t kLittleEndian = 2;
constexpr uint8_t kEndianMask = 3;

// An entry's flags: an ELF library for libc6, of the 64-bit x86 kind.
constexpr uint32_t kX86_64Library = 0x0303;
constexpr uint32_t kKindMask = 0xffff;
constexpr uint64_t kHardwareLevelFlag = uint64_t{1} << 62;

template <typename T>
T load(std::string_view bytes, size_t at) {
  T value;
  memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// ldconfig's "compat" form: a cache for libc5 first, then, at the next multiple of 8, the one that
// matters.
std::string_view skip_old_part(std::string_view contents) {
  if (!contents.starts_with(kOldMagic)) return contents;
  if (contents.size() < kOldHeaderSize) fail("the library cache is cut off");
  const uint64_t count = load<uint32_t>(contents, 12);
  const uint64_t end = (kOldHeaderSize + count * kOldEntrySize + 7) / 8 * 8;
  if (end > contents.size()) fail("the library cache is cut off");
  return contents.substr(end);
}

std::string string_at(std::string_view contents, uint32_t at) {
  if (at >= contents.size()) fail("the library cache names a string outside itself");
  const size_t end = contents.find('\0', at);
  if (end == std::string_view::npos) fail("the library cache has a string without an end");
  return std::string(contents.substr(at, end - at));
}

}  // namespace

LibraryCache LibraryCache::parse(std::string_view contents) {
  contents = skip_old_part(contents);
  if (contents.size() < kHeaderSize || !contents.starts_with(kMagic)) {
    fail("this is not a library cache of the form {}", kMagic);
  }
  const uint8_t byte_order = static_cast<uint8_t>(contents[kFlagsAt]) & kEndianMask;
  // 0 stands in caches from before this field had a meaning.
  if (byte_order != 0 && byte_order != kLittleEndian) fail("the library cache is big-endian");
  const uint64_t count = load<uint32_t>(contents, kCountAt);
  const uint64_t strings_size = load<uint32_t>(contents, kStringsSizeAt);
  if (kHeaderSize + count * kEntrySize + strings_size > contents.size()) {
    fail("the library cache is cut off");
  }
  LibraryCache cache;
  for (size_t i = 0; i < count; ++i) {
    const size_t at = kHeaderSize + i * kEntrySize;
    const uint32_t flags = load<uint32_t>(contents, at);
    if ((flags & kKindMask) != kX86_64Library) continue;
    Entry entry;
    entry.name = string_at(contents, load<uint32_t>(contents, at + 4));
    entry.path = string_at(contents, load<uint32_t>(contents, at + 8));
    entry.for_hardware_level = (load<uint64_t>(contents, at + 16) & kHardwareLevelFlag) != 0;
    cache.entries_.push_back(std::move(entry));
  }
  return cache;
}

std::string LibraryCache::serialize() const {
  std::vector<const Entry*> sorted;
  for (const Entry& entry : entries_) {
    if (!entry.for_hardware_level) sorted.push_back(&entry);
  }
  // Descending, as ldconfig writes it. Of two places for one name, the first counts, so they keep
  // their order.
  std::sort(sorted.begin(), sorted.end(), [](const Entry* left, const Entry* right) {
    const int order = compare_library_names(left->name, right->name);
    return order != 0 ? order > 0 : left < right;
  });

  const size_t strings_start = kHeaderSize + sorted.size() * kEntrySize;
  std::string strings;
  std::map<std::string_view, uint32_t> known;
  const auto place = [&](const std::string& text) {
    const auto [at, added] =
        known.emplace(text, static_cast<uint32_t>(strings_start + strings.size()));
    if (added) strings.append(text.c_str(), text.size() + 1);
    return at->second;
  };
  std::string table;
  for (const Entry* const entry : sorted) {
    append(table, uint32_t{kX86_64Library});
    append(table, place(entry->name));
    append(table, place(entry->path));
    append(table, uint32_t{0});  // OS version: any
    append(table, uint64_t{0});  // hardware capabilities: none
  }

  std::string out(kMagic);
  append(out, static_cast<uint32_t>(sorted.size()));
  append(out, static_cast<uint32_t>(strings.size()));
  out += static_cast<char>(kLittleEndian);
  out.resize(kHeaderSize, '\0');  // padding, no extensions, reserved
  return out + table + strings;
}

std::vector<const LibraryCache::Entry*> LibraryCache::find(std::string_view name) const {
  std::vector<const Entry*> found;
  for (const Entry& entry : entries_) {
    if (entry.name == name) found.push_back(&entry);
  }
  return found;
}

int compare_library_names(std::string_view left, std::string_view right) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto at = [](std::string_view text, size_t i) { return i < text.size() ? text[i] : '\0'; };
  size_t l = 0;
  size_t r = 0;
  while (l < left.size()) {
    if (is_digit(left[l])) {
      if (!is_digit(at(right, r))) return 1;
      uint64_t left_number = 0;
      uint64_t right_number = 0;
      while (is_digit(at(left, l))) {
        left_number = left_number * 10 + static_cast<uint64_t>(left[l++] - '0');
      }
      while (is_digit(at(right, r))) {
        right_number = right_number * 10 + static_cast<uint64_t>(right[r++] - '0');
      }
      if (left_number != right_number) return left_number < right_number ? -1 : 1;
    } else if (is_digit(at(right, r))) {
      return -1;
    } else if (left[l] != at(right, r)) {
      return static_cast<int>(left[l]) - static_cast<int>(at(right, r));
    } else {
      ++l;
      ++r;
    }
  }
  return -static_cast<int>(at(right, r));
}

}  // namespace narwhal::tools
