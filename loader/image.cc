#include "loader/image.h"

#include <cstring>

namespace narwhal {

Result<usize> FileSource::read_at(u64 offset, std::span<std::byte> to) {
  usize total = 0;
  while (total < to.size()) {
    IoBuffer buffer(to.subspan(total));
    const usize got = TRY(file_.read_at(buffer, offset + total));
    if (got == 0) break;
    total += got;
  }
  return total;
}

namespace {

// Calls piece(kernel pointer, offset from `at`, size) for each page's part of a range.
template <typename Piece>
Result<> for_each_piece(AddressSpace& memory, UserAddr at, usize size, Piece piece) {
  usize done = 0;
  while (done < size) {
    const UserAddr where = at + done;
    const usize room = kPageSize - where.page_offset();
    const usize part = size - done < room ? size - done : room;
    TRY(memory.handle_fault(where, Protection::kWrite));
    Pmap::Mapping mapping;
    if (!memory.pmap().lookup(where, mapping)) return Errno::kFault;
    piece(platform::direct_map(mapping.frame.page()) + where.page_offset(), done, part);
    done += part;
  }
  return {};
}

Protection protection_of(const abi::ElfProgramHeader& segment) {
  Protection protection = Protection::kNone;
  if (segment.flags & abi::kElfFlagRead) protection |= Protection::kRead;
  if (segment.flags & abi::kElfFlagWrite) protection |= Protection::kWrite;
  if (segment.flags & abi::kElfFlagExecute) protection |= Protection::kExecute;
  return protection;
}

Result<> map_segment(AddressSpace& memory, File& file, const abi::ElfProgramHeader& segment,
                     u64 bias) {
  const u64 start = align_down(segment.address, kPageSize) + bias;
  const u64 file_end = segment.address + segment.file_size + bias;
  const u64 memory_end = align_up(segment.address + segment.memory_size + bias, kPageSize);
  const u64 file_pages_end = segment.file_size ? align_up(file_end, kPageSize) : start;
  const Protection protection = protection_of(segment);
  if (segment.file_size != 0) {
    MapRequest request;
    request.hint = UserAddr(start);
    request.length = file_pages_end - start;
    request.protection = protection;
    request.flags = MapFlags::kPrivate | MapFlags::kFixed;
    request.object_offset = align_down(segment.offset, kPageSize);
    TRY(file.mmap(request));
    TRY(memory.map(request));
  }
  if (memory_end > file_pages_end) {
    MapRequest request;
    request.hint = UserAddr(file_pages_end);
    request.length = memory_end - file_pages_end;
    request.protection = protection;
    request.flags = MapFlags::kPrivate | MapFlags::kFixed | MapFlags::kAnonymous;
    TRY(memory.map(request));
  }
  // The last page of the file has what follows the segment there; the program must see zeros. A
  // segment that can't be written is left as it is, as on Linux.
  if (segment.file_size != 0 && segment.memory_size > segment.file_size &&
      has(protection, Protection::kWrite))
    TRY(zero_memory(memory, UserAddr(file_end), file_pages_end - file_end));
  return {};
}

}  // namespace

Result<> write_memory(AddressSpace& memory, UserAddr at, std::span<const std::byte> from) {
  return for_each_piece(memory, at, from.size(), [&](std::byte* to, usize offset, usize size) {
    std::memcpy(to, from.data() + offset, size);
  });
}

Result<> zero_memory(AddressSpace& memory, UserAddr at, usize size) {
  return for_each_piece(memory, at, size,
                        [](std::byte* to, usize, usize part) { std::memset(to, 0, part); });
}

Result<> map_segments(AddressSpace& memory, File& file, const ElfFile& elf, u64 bias) {
  for (const auto& segment : elf.segments) TRY(map_segment(memory, file, segment, bias));
  return {};
}

Result<u64> find_bias(AddressSpace& memory, const ElfFile& elf) {
  const u64 span = elf.highest - elf.lowest;
  MapRequest request;
  request.length = span + elf.alignment - kPageSize;
  request.protection = Protection::kNone;
  request.flags = MapFlags::kPrivate | MapFlags::kAnonymous | MapFlags::kNoReserve;
  const UserAddr found = TRY(memory.map(request));
  TRY(memory.unmap(found, request.length));
  return align_up(found.value, elf.alignment) - elf.lowest;
}

}  // namespace narwhal
