#include "loader/elf.h"

#include <cstring>

namespace narwhal {
namespace {

constexpr usize kMaxProgramHeaders = 65536 / sizeof(abi::ElfProgramHeader);  // as Linux
constexpr usize kMaxInterpreter = 4096;                                      // PATH_MAX

template <typename T>
Result<> read_whole(ByteSource& source, u64 offset, T* to, usize size) {
  const usize got = TRY(source.read_at(offset, {reinterpret_cast<std::byte*>(to), size}));
  return got == size ? Result<>() : Result<>(Errno::kIo);
}

Result<> check_header(const abi::ElfHeader& header) {
  // As Linux, which never looks at class, byte order and version: a file for this machine has none
  // but ours.
  constexpr u8 kMagic[] = {0x7f, 'E', 'L', 'F'};
  if (std::memcmp(header.ident, kMagic, sizeof kMagic) != 0) return Errno::kNoExec;
  if (header.type != abi::kElfExecutable && header.type != abi::kElfShared) return Errno::kNoExec;
  if (header.machine != abi::kElfX86_64) return Errno::kNoExec;
  if (header.program_header_size != sizeof(abi::ElfProgramHeader)) return Errno::kNoExec;
  if (header.program_header_count == 0 || header.program_header_count > kMaxProgramHeaders)
    return Errno::kNoExec;
  return {};
}

Result<> check_segment(const abi::ElfProgramHeader& segment) {
  u64 end, file_end;
  if (segment.file_size > segment.memory_size ||
      __builtin_add_overflow(segment.address, segment.memory_size, &end) || end > kUserEnd.value ||
      __builtin_add_overflow(segment.offset, segment.file_size, &file_end) || file_end > INT64_MAX)
    return Errno::kNoExec;
  // The same page of file and memory must hold the first byte, or it can't be mapped.
  if (segment.address % kPageSize != segment.offset % kPageSize) return Errno::kNoExec;
  return {};
}

Result<> add_segment(ElfFile& file, const abi::ElfProgramHeader& segment) {
  if (segment.memory_size == 0) return {};
  TRY(check_segment(segment));
  const u64 start = align_down(segment.address, kPageSize);
  if (file.segments.empty()) {
    file.lowest = start;
  } else {
    const auto& last = file.segments.back();
    if (segment.address < last.address + last.memory_size) return Errno::kNoExec;
  }
  file.highest = align_up(segment.address + segment.memory_size, kPageSize);
  const bool power_of_two =
      segment.alignment != 0 && (segment.alignment & (segment.alignment - 1)) == 0;
  if (power_of_two && segment.alignment > file.alignment) file.alignment = segment.alignment;
  return file.segments.push_back(segment);
}

Result<> read_interpreter(ByteSource& source, const abi::ElfProgramHeader& header, ElfFile& file) {
  if (header.file_size < 2 || header.file_size > kMaxInterpreter) return Errno::kNoExec;
  if (header.offset > INT64_MAX - kMaxInterpreter) return Errno::kInval;
  TRY(file.interpreter.resize(header.file_size));
  TRY(read_whole(source, header.offset, file.interpreter.data(), header.file_size));
  if (file.interpreter.back() != '\0') return Errno::kNoExec;
  return {};
}

}  // namespace

Result<ElfFile> read_elf(ByteSource& source) {
  abi::ElfHeader header{};
  TRY(read_whole(source, 0, &header, sizeof header));
  TRY(check_header(header));

  Vector<abi::ElfProgramHeader> headers;
  TRY(headers.resize(header.program_header_count));
  const usize bytes = headers.size() * sizeof(abi::ElfProgramHeader);
  if (header.program_headers > INT64_MAX - bytes) return Errno::kNoExec;
  if (auto read = read_whole(source, header.program_headers, headers.data(), bytes); !read.ok())
    return read.failed(Errno::kIo) ? Errno::kNoExec : read.error();

  ElfFile file;
  file.position_independent = header.type == abi::kElfShared;
  file.entry = header.entry;
  file.program_header_count = header.program_header_count;
  for (const auto& entry : headers) {
    if (entry.type == abi::kElfLoad) TRY(add_segment(file, entry));
    if (entry.type == abi::kElfInterpreter && file.interpreter.empty())
      TRY(read_interpreter(source, entry, file));
    if (entry.type == abi::kElfStack)
      file.executable_stack = (entry.flags & abi::kElfFlagExecute) != 0;
  }
  if (file.segments.empty()) return Errno::kNoExec;
  for (const auto& segment : file.segments)
    if (header.program_headers >= segment.offset &&
        header.program_headers < segment.offset + segment.file_size)
      file.program_headers_at = header.program_headers - segment.offset + segment.address;
  return file;
}

}  // namespace narwhal
