#include "process/core_file.h"

#include <cstring>

#include "kernel/abi/core.h"
#include "kernel/abi/elf.h"
#include "kernel/base/format.h"
#include "process/core_settings.h"

namespace narwhal {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

// --- which memory

struct Collection {
  AddressSpace& space;
  CoreMemory& memory;
  u32 filter;
  Vector<char> path;  // room for the longest
  Errno error{};      // the first failure

  std::string_view path_of(const AddressSpace::MappingInfo& info) {
    TextSink text(path.data(), path.size());
    u64 device = 0, inode = 0;
    if (info.source) info.source->describe(text, device, inode);
    return text.view();
  }
};

// What the kernel itself put there is small, and not to be found anywhere else later.
bool is_kernels_own(const AddressSpace::MappingInfo& info) {
  const std::string_view name = info.special_name ? info.special_name : "";
  return name == "[vdso]" || name == "[vvar]";
}

bool is_whole(const AddressSpace::MappingInfo& info, std::string_view path, u32 filter) {
  if (is_kernels_own(info)) return true;
  if (info.keep_from_dump) return false;
  // Memory that has no name any more is in no file.
  const bool nameless = !info.source || path.ends_with(kDeleted);
  if (info.shared)
    return filter & (nameless ? core_filter::kAnonymousShared : core_filter::kFileShared);
  if (info.private_dirty_pages != 0 && (filter & core_filter::kAnonymousPrivate)) return true;
  return info.source && (filter & core_filter::kFilePrivate);
}

Result<> add_segment(Collection& c, const AddressSpace::MappingInfo& info) {
  const std::string_view path = c.path_of(info);
  CoreSegment segment{info.start, info.end - info.start, 0, info.protection};
  if (is_whole(info, path, c.filter)) segment.dumped = segment.size;
  TRY(c.memory.segments.push_back(segment));
  if (!info.source) return {};
  TRY(c.memory.files.push_back({info.start.value, info.end.value, info.offset / kPageSize}));
  TRY(c.memory.file_names.append(path));
  return c.memory.file_names.push_back('\0');
}

void add_mapping(const AddressSpace::MappingInfo& info, void* argument) {
  auto& c = *static_cast<Collection*>(argument);
  if (c.error != Errno{}) return;
  if (auto added = add_segment(c, info); !added.ok()) c.error = added.error();
}

// A debugger recognises a program by its first page (the build ID is there).
bool begins_with_elf(AddressSpace& space, UserAddr at, std::span<std::byte, kPageSize> page) {
  return space.peek_page(at, page) && std::memcmp(page.data(), "\177ELF", 4) == 0;
}

Result<> add_first_pages(AddressSpace& space, CoreMemory& memory) {
  Vector<std::byte> page;
  TRY(page.resize(kPageSize));
  usize next = 0;
  for (const CoreMemory::File& file : memory.files) {
    while (memory.segments[next].start.value != file.start) ++next;
    CoreSegment& segment = memory.segments[next];
    if (segment.dumped == 0 && file.page_offset == 0 &&
        has(segment.protection, Protection::kRead) &&
        begins_with_elf(space, segment.start,
                        std::span<std::byte, kPageSize>(page.data(), kPageSize)))
      segment.dumped = kPageSize;
  }
  return {};
}

// --- writing

// In order, in large pieces; what would read as zeros becomes a hole if the file can have one.
class Writer {
 public:
  Writer(CoreOutput& output, u64 limit) : output_(output), limit_(limit) {}
  Result<> start() { return buffer_.reserve(kRoom); }

  Result<> put(std::span<const std::byte> bytes) {
    if (bytes.size() > limit_ - written_) return Errno::kFBig;
    written_ += bytes.size();
    while (!bytes.empty()) {
      if (buffer_.size() == kRoom) TRY(flush());
      const usize room = kRoom - buffer_.size();
      const auto part = bytes.first(bytes.size() < room ? bytes.size() : room);
      TRY(buffer_.append(part));
      bytes = bytes.subspan(part.size());
    }
    return {};
  }
  template <typename T>
  Result<> put_object(const T& value) {
    return put(std::as_bytes(std::span(&value, 1)));
  }
  Result<> skip(u64 size) {
    TRY(flush());
    return output_.skip(size);
  }
  Result<> finish() {
    TRY(flush());
    return output_.finish();
  }
  Result<> flush() {
    TRY(output_.write({buffer_.data(), buffer_.size()}));
    buffer_.clear();
    return {};
  }

 private:
  static constexpr usize kRoom = 64 * kKiB;
  CoreOutput& output_;
  const u64 limit_;
  u64 written_ = 0;
  Vector<std::byte> buffer_;
};

u32 flags_of(Protection protection) {
  return (has(protection, Protection::kRead) ? abi::kElfFlagRead : 0) |
         (has(protection, Protection::kWrite) ? abi::kElfFlagWrite : 0) |
         (has(protection, Protection::kExecute) ? abi::kElfFlagExecute : 0);
}

Result<> write_headers(Writer& out, const CoreMemory& memory, usize notes_size, u64 data_at) {
  const usize count = memory.segments.size() + 1;
  const bool many = count >= abi::kElfManyHeaders;
  abi::ElfHeader header{};
  const u8 ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};  // 64 bits, little-endian
  std::memcpy(header.ident, ident, sizeof ident);
  header.type = abi::kElfCore;
  header.machine = abi::kElfX86_64;
  header.version = 1;
  header.program_headers = sizeof header;
  header.header_size = sizeof header;
  header.program_header_size = sizeof(abi::ElfProgramHeader);
  header.program_header_count = many ? abi::kElfManyHeaders : u16(count);
  u64 end = data_at;
  for (const CoreSegment& segment : memory.segments) end += segment.dumped;
  if (many) {
    header.section_headers = end;
    header.section_header_size = sizeof(abi::ElfSectionHeader);
    header.section_header_count = 1;
  }
  TRY(out.put_object(header));

  abi::ElfProgramHeader notes{};
  notes.type = abi::kElfNotes;
  notes.offset = sizeof header + count * sizeof notes;
  notes.file_size = notes_size;
  notes.alignment = 4;
  TRY(out.put_object(notes));
  u64 offset = data_at;
  for (const CoreSegment& segment : memory.segments) {
    abi::ElfProgramHeader load{};
    load.type = abi::kElfLoad;
    load.flags = flags_of(segment.protection);
    load.offset = offset;
    load.address = segment.start.value;
    load.file_size = segment.dumped;
    load.memory_size = segment.size;
    load.alignment = kPageSize;
    TRY(out.put_object(load));
    offset += segment.dumped;
  }
  return {};
}

Result<> write_memory(Writer& out, AddressSpace& space, const CoreMemory& memory) {
  Vector<std::byte> buffer;
  TRY(buffer.resize(kPageSize));
  const std::span<std::byte, kPageSize> page(buffer.data(), kPageSize);
  for (const CoreSegment& segment : memory.segments) {
    for (u64 done = 0; done < segment.dumped; done += kPageSize) {
      if (space.peek_page(segment.start + done, page))
        TRY(out.put(page));
      else
        TRY(out.skip(kPageSize));
    }
  }
  if (memory.segments.size() + 1 < abi::kElfManyHeaders) return {};
  abi::ElfSectionHeader many{};
  many.info = u32(memory.segments.size() + 1);
  return out.put_object(many);
}

Result<> write_all(Writer& out, AddressSpace& space, const CoreMemory& memory,
                   std::span<const std::byte> notes) {
  const u64 headers = sizeof(abi::ElfHeader) +
                      (memory.segments.size() + 1) * sizeof(abi::ElfProgramHeader) + notes.size();
  const u64 data_at = align_up(headers, kPageSize);
  TRY(write_headers(out, memory, notes.size(), data_at));
  TRY(out.put(notes));
  TRY(out.skip(data_at - headers));
  return write_memory(out, space, memory);
}

}  // namespace

Result<CoreMemory> CoreMemory::collect(AddressSpace& space, u32 filter) {
  constexpr usize kLongestPath = 4096 + 16;
  CoreMemory memory;
  Collection collection{space, memory, filter, {}, {}};
  TRY(collection.path.resize(kLongestPath));
  space.for_each_mapping(add_mapping, &collection, true);
  if (collection.error != Errno{}) return collection.error;
  if (filter & core_filter::kElfHeaders) TRY(add_first_pages(space, memory));
  return memory;
}

Result<> CoreFileOutput::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    IoBuffer from(bytes);
    const usize done = TRY(file_.write_at(from, offset_));
    if (done == 0) return Errno::kNoSpc;
    offset_ += done;
    bytes = bytes.subspan(done);
  }
  return {};
}

Result<> CoreFileOutput::skip(u64 size) {
  offset_ += size;
  return {};
}

Result<> CoreFileOutput::finish() {
  return file_.truncate(offset_);
}

Result<> write_core_file(CoreOutput& output, u64 limit, AddressSpace& space,
                         const CoreMemory& memory, std::span<const std::byte> notes) {
  Writer out(output, limit);
  TRY(out.start());
  const auto written = write_all(out, space, memory, notes);
  // A file that has to end early keeps what it got.
  TRY(out.finish());
  return written;
}

}  // namespace narwhal
