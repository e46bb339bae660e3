// For tests: the smallest program that Linux runs, as the bytes of an ELF file, and ways to spoil
// it. Only the host's C library is used, so that programs of compat_tests can have it too.
#pragma once

#include <elf.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace narwhal::testing {

// What the program's exit status is.
inline constexpr int kImageStatus = 42;

// Header, program headers, code; all of it in one segment that is readable and executable.
struct ProgramImage {
  Elf64_Ehdr header = {};
  std::vector<Elf64_Phdr> segments;
  std::string interpreter;  // with the NUL that belongs to it, or not
  std::string code;
  size_t padding = 0;  // zeros at the end

  explicit ProgramImage(uint16_t type = ET_EXEC) {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = type;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    Elf64_Phdr all = {};
    all.p_type = PT_LOAD;
    all.p_flags = PF_R | PF_X;
    all.p_vaddr = base();
    all.p_align = 4096;
    segments.push_back(all);
    code = std::string(
        "\xbf\x2a\0\0\0"     // mov edi, 42
        "\xb8\x3c\0\0\0"     // mov eax, SYS_exit
        "\x0f\x05\x0f\x0b",  // syscall; ud2
        14);
  }

  uint64_t base() const { return header.e_type == ET_DYN ? 0 : 0x400000; }

  // Adds PT_INTERP; the text's place is filled in by build().
  void set_interpreter(const std::string& text) {
    interpreter = text;
    Elf64_Phdr segment = {};
    segment.p_type = PT_INTERP;
    segments.push_back(segment);
  }

  // `spoil` sees the whole before it becomes bytes: entry, sizes and offsets have been filled in.
  std::string build(const std::function<void(ProgramImage&)>& spoil = nullptr) const {
    ProgramImage image = *this;
    const size_t headers = sizeof header + image.segments.size() * sizeof(Elf64_Phdr);
    const size_t size = headers + interpreter.size() + code.size() + padding;
    image.header.e_phnum = static_cast<Elf64_Half>(image.segments.size());
    image.header.e_entry = base() + headers + interpreter.size();
    for (Elf64_Phdr& segment : image.segments) {
      if (segment.p_type == PT_LOAD && segment.p_filesz == 0 && segment.p_memsz == 0)
        segment.p_filesz = segment.p_memsz = size;
      if (segment.p_type == PT_INTERP) {
        segment.p_offset = headers;
        segment.p_vaddr = base() + headers;
        segment.p_filesz = segment.p_memsz = interpreter.size();
      }
    }
    if (spoil) spoil(image);
    std::string bytes(reinterpret_cast<const char*>(&image.header), sizeof image.header);
    bytes.append(reinterpret_cast<const char*>(image.segments.data()),
                 image.segments.size() * sizeof(Elf64_Phdr));
    bytes += image.interpreter + image.code;
    bytes.append(padding, '\0');
    return bytes;
  }
};

}  // namespace narwhal::testing
