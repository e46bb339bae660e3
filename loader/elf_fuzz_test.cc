// Whatever bytes it is given, the reader agrees with libelf on what a file says, refuses for
// reasons that can be seen in it, and touches nothing outside.
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "loader/elf.h"
#include "loader/script.h"
#include "loader/testing/byte_string_source.h"
#include "loader/testing/malformed.h"

namespace narwhal {
namespace {

using testing::ByteStringSource;

[[noreturn]] void disagree(const char* what) {
  fprintf(stderr, "the reader and libelf disagree: %s\n", what);
  abort();
}
#define MUST(condition) \
  if (!(condition)) disagree(#condition)

// What libelf reads of a file.
struct LibelfFile {
  GElf_Ehdr header = {};
  std::vector<GElf_Phdr> segments;  // all of the table; empty where the file does not hold all
};

std::optional<LibelfFile> read_with_libelf(std::string bytes) {
  if (bytes.size() < sizeof(Elf64_Ehdr) || bytes.compare(0, SELFMAG, ELFMAG) != 0) return {};
  // Linux does not look at these, and libelf would read another kind of file.
  bytes[EI_CLASS] = ELFCLASS64;
  bytes[EI_DATA] = ELFDATA2LSB;
  bytes[EI_VERSION] = EV_CURRENT;
  // A table of sections that is damaged is nothing to a loader, and libelf must not stumble over
  // it.
  constexpr size_t kSectionOffset = offsetof(Elf64_Ehdr, e_shoff);
  bytes.replace(kSectionOffset, 8, 8, '\0');
  bytes.replace(offsetof(Elf64_Ehdr, e_shnum), 4, 4, '\0');
  Elf* const elf = elf_memory(bytes.data(), bytes.size());
  if (elf == nullptr) return {};
  LibelfFile file;
  bool good = elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &file.header) != nullptr;
  if (good) {
    for (size_t i = 0; i < file.header.e_phnum; ++i) {
      GElf_Phdr segment;
      if (gelf_getphdr(elf, static_cast<int>(i), &segment) == nullptr) {
        file.segments.clear();
        break;
      }
      file.segments.push_back(segment);
    }
  }
  elf_end(elf);
  return good ? std::optional<LibelfFile>(file) : std::nullopt;
}

// The rules, said once more over what libelf read: is this a program that can be loaded?
bool is_loadable(const LibelfFile& file, size_t size) {
  const GElf_Ehdr& header = file.header;
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return false;
  if (header.e_machine != EM_X86_64 || header.e_phentsize != sizeof(Elf64_Phdr)) return false;
  if (header.e_phnum == 0 || header.e_phnum * sizeof(Elf64_Phdr) > 65536) return false;
  if (file.segments.size() != header.e_phnum) return false;
  using Wide = unsigned __int128;
  Wide end_so_far = 0;
  bool any = false;
  bool interpreted = false;
  for (const GElf_Phdr& segment : file.segments) {
    if (segment.p_type == PT_LOAD && segment.p_memsz != 0) {
      if (segment.p_filesz > segment.p_memsz) return false;
      if (Wide{segment.p_vaddr} + segment.p_memsz > kUserEnd.value) return false;
      if (Wide{segment.p_offset} + segment.p_filesz > INT64_MAX) return false;
      if ((segment.p_vaddr - segment.p_offset) % kPageSize != 0) return false;
      if (any && segment.p_vaddr < end_so_far) return false;
      end_so_far = Wide{segment.p_vaddr} + segment.p_memsz;
      any = true;
    }
    if (segment.p_type == PT_INTERP && !interpreted) {
      interpreted = true;
      if (segment.p_filesz < 2 || segment.p_filesz > 4096) return false;
      if (segment.p_offset > size || segment.p_filesz > size - segment.p_offset) return false;
    }
  }
  return any;
}

void compare(const std::string& bytes) {
  ByteStringSource source(bytes);
  const auto read = read_elf(source);
  // What read_with_libelf() changes of the header must not be part of the table, too.
  if (bytes.size() >= sizeof(Elf64_Ehdr)) {
    uint64_t table;
    std::memcpy(&table, bytes.data() + offsetof(Elf64_Ehdr, e_phoff), sizeof table);
    if (table < sizeof(Elf64_Ehdr)) return;
  }
  const auto seen = read_with_libelf(bytes);
  if (!read.ok()) {
    MUST(read.failed(Errno::kNoExec) || read.failed(Errno::kIo) || read.failed(Errno::kInval));
    if (!seen || !is_loadable(*seen, bytes.size())) return;
    // The one thing that the rules above don't look at.
    for (const GElf_Phdr& segment : seen->segments) {
      if (segment.p_type != PT_INTERP) continue;
      MUST(bytes[segment.p_offset + segment.p_filesz - 1] != '\0');
      return;
    }
    disagree("a good file was refused");
  }
  MUST(seen.has_value());
  MUST(is_loadable(*seen, bytes.size()));
  const ElfFile& elf = read.value();
  MUST(elf.entry == seen->header.e_entry);
  MUST(elf.position_independent == (seen->header.e_type == ET_DYN));
  MUST(elf.program_header_count == seen->segments.size());
  size_t at = 0;
  bool stack = false;
  const GElf_Phdr* interpreter = nullptr;
  u64 headers_at = 0;
  for (const GElf_Phdr& segment : seen->segments) {
    if (segment.p_type == PT_GNU_STACK) stack = (segment.p_flags & PF_X) != 0;
    if (segment.p_type == PT_INTERP && interpreter == nullptr) interpreter = &segment;
    if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
    MUST(at < elf.segments.size());
    const auto& ours = elf.segments[at++];
    MUST(ours.offset == segment.p_offset && ours.address == segment.p_vaddr);
    MUST(ours.file_size == segment.p_filesz && ours.memory_size == segment.p_memsz);
    MUST(ours.flags == segment.p_flags);
    MUST(elf.lowest <= ours.address && ours.address + ours.memory_size <= elf.highest);
    if (seen->header.e_phoff >= segment.p_offset &&
        seen->header.e_phoff - segment.p_offset < segment.p_filesz)
      headers_at = seen->header.e_phoff - segment.p_offset + segment.p_vaddr;
  }
  MUST(at == elf.segments.size());
  MUST(elf.program_headers_at == headers_at);
  MUST(elf.executable_stack == stack);
  MUST(elf.lowest % kPageSize == 0 && elf.highest % kPageSize == 0 && elf.lowest < elf.highest);
  MUST(elf.highest <= kUserEnd.value);
  MUST(elf.alignment >= kPageSize && (elf.alignment & (elf.alignment - 1)) == 0);
  MUST(elf.interpreter.empty() == (interpreter == nullptr));
  if (interpreter != nullptr) {
    const std::string name(elf.interpreter.data(), elf.interpreter.size());
    MUST(name == bytes.substr(interpreter->p_offset, interpreter->p_filesz));
    MUST(name.back() == '\0');
  }
}

void try_script(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, kScriptHeaderSize);
  const auto line = parse_script(head);
  if (!line.ok()) {
    MUST(line.failed(Errno::kNoExec));
    return;
  }
  const auto is_inside = [&](std::string_view part) {
    return part.empty() ||
           (part.data() >= head.data() && part.data() + part.size() <= head.data() + head.size());
  };
  const std::string_view name = line.value().interpreter;
  MUST(head.starts_with("#!") && is_inside(name) &&
       name.find_first_of(" \t\n") == std::string_view::npos);
  if (line.value().argument) MUST(is_inside(*line.value().argument));
}

// The files of loader/testing are where the fuzzer starts: mutations of a program, not of noise.
const std::vector<std::string>& seeds() {
  static const auto* const all = [] {
    auto* const list = new std::vector<std::string>;
    for (const testing::MalformedFile& file : testing::malformed_files()) {
      if (file.bytes.size() <= 4096) list->push_back(file.bytes);
    }
    testing::ProgramImage image(ET_DYN);
    image.set_interpreter(std::string("/lib64/ld-linux-x86-64.so.2", 28));
    image.segments.push_back(image.segments[0]);
    list->push_back(image.build([](testing::ProgramImage& i) { i.segments[2].p_vaddr = 0x3000; }));
    testing::ProgramImage parts;  // whose segments touch each other
    parts.segments.push_back(parts.segments[0]);
    list->push_back(parts.build([](testing::ProgramImage& i) {
      i.segments[0].p_memsz = i.segments[0].p_filesz = 64;
      i.segments[1].p_offset = 64;
      i.segments[1].p_vaddr += 64;
    }));
    return list;
  }();
  return *all;
}

}  // namespace
}  // namespace narwhal

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// Puts into one field what makes trouble: a limit, another field, the sum of two, one more or less.
static void set_a_field(uint8_t* data, size_t size, std::minstd_rand& random) {
  const size_t fields = std::min<size_t>(size, 64 + 4 * 56) / 8;
  const auto field = [&] {
    uint64_t value;
    std::memcpy(&value, data + random() % fields * 8, sizeof value);
    return value;
  };
  constexpr uint64_t kLimits[] = {0, 2, 4096, 4097, narwhal::kUserEnd.value, INT64_MAX, 1ull << 63};
  uint64_t value = random() % 2 == 0 ? kLimits[random() % std::size(kLimits)] : field();
  if (random() % 2 == 0) value += field();
  if (random() % 4 == 0) value -= field();
  value += random() % 3 - 1;
  std::memcpy(data + random() % fields * 8, &value, sizeof value);
}

// Now and then an input is one of the seeds again, so that most inputs get past the magic number.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  std::minstd_rand random(seed);
  const auto& all = narwhal::seeds();
  if (size < 64 || random() % 8 == 0) {
    const std::string& start = all[random() % all.size()];
    size = std::min(start.size(), max_size);
    std::memcpy(data, start.data(), size);
  }
  if (size < 8 || random() % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
  set_a_field(data, size, random);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const unsigned version = elf_version(EV_CURRENT);
  if (version == EV_NONE) abort();
  // A copy of exactly this size: the sanitizer sees every step outside.
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  narwhal::compare(bytes);
  narwhal::try_script(bytes);
  return 0;
}
