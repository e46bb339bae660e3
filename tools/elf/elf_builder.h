// For tests: the smallest ELF file that a loader would take, with the dynamic section that a test
// wants.
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace narwhal::tools {

class ElfBuilder {
 public:
  uint8_t elf_class = ELFCLASS64;
  uint8_t byte_order = ELFDATA2LSB;
  uint16_t machine = EM_X86_64;
  uint16_t type = ET_DYN;
  std::string interpreter;
  uint64_t flags_1 = 0;

  ElfBuilder& needed(const std::string& name) { return add(DT_NEEDED, name); }
  ElfBuilder& soname(const std::string& name) { return add(DT_SONAME, name); }
  ElfBuilder& rpath(const std::string& path) { return add(DT_RPATH, path); }
  ElfBuilder& runpath(const std::string& path) { return add(DT_RUNPATH, path); }
  ElfBuilder& add(int64_t tag, const std::string& text) {
    texts_.emplace_back(tag, text);
    return *this;
  }

  // Layout: header, program headers, interpreter, strings, dynamic section. Addresses equal file
  // offsets.
  std::string build() const {
    std::vector<Elf64_Phdr> segments;
    const size_t count = (interpreter.empty() ? 0 : 1) + 2;
    std::string body;
    const size_t body_start = sizeof(Elf64_Ehdr) + count * sizeof(Elf64_Phdr);
    if (!interpreter.empty()) {
      segments.push_back(segment(PT_INTERP, body_start, interpreter.size() + 1));
      body.append(interpreter.c_str(), interpreter.size() + 1);
    }
    const size_t strings_start = body_start + body.size();
    std::string strings(1, '\0');
    std::vector<Elf64_Dyn> entries;
    for (const auto& [tag, text] : texts_) {
      entries.push_back(entry(tag, strings.size()));
      strings.append(text.c_str(), text.size() + 1);
    }
    entries.push_back(entry(DT_STRTAB, strings_start));
    entries.push_back(entry(DT_STRSZ, strings.size()));
    if (flags_1 != 0) entries.push_back(entry(DT_FLAGS_1, flags_1));
    entries.push_back(entry(DT_NULL, 0));
    body += strings;
    body.resize((body.size() + 7) / 8 * 8 + (8 - body_start % 8) % 8, '\0');
    segments.push_back(
        segment(PT_DYNAMIC, body_start + body.size(), entries.size() * sizeof(Elf64_Dyn)));
    body.append(reinterpret_cast<const char*>(entries.data()), entries.size() * sizeof(Elf64_Dyn));
    segments.push_back(segment(PT_LOAD, 0, body_start + body.size()));

    Elf64_Ehdr header = {};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = elf_class;
    header.e_ident[EI_DATA] = byte_order;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = type;
    header.e_machine = machine;
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = static_cast<Elf64_Half>(count);
    std::string file(reinterpret_cast<const char*>(&header), sizeof header);
    file.append(reinterpret_cast<const char*>(segments.data()), count * sizeof(Elf64_Phdr));
    return file + body;
  }

 private:
  static Elf64_Phdr segment(uint32_t type, uint64_t offset, uint64_t size) {
    Elf64_Phdr header = {};
    header.p_type = type;
    header.p_flags = PF_R;
    header.p_offset = header.p_vaddr = header.p_paddr = offset;
    header.p_filesz = header.p_memsz = size;
    header.p_align = 8;
    return header;
  }
  static Elf64_Dyn entry(int64_t tag, uint64_t value) {
    Elf64_Dyn dynamic = {};
    dynamic.d_tag = tag;
    dynamic.d_un.d_val = value;
    return dynamic;
  }

  std::vector<std::pair<int64_t, std::string>> texts_;
};

}  // namespace narwhal::tools
