// symbol_table_writer KERNEL OUTPUT: writes the names of KERNEL's functions as kernel/base/symbols
// wants them.
//
// The build links the kernel twice: once to learn where everything is, and again with this table in
// place. The table comes last in the image, so that nothing moves.

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/base/symbols/symbol_table.h"
#include "tools/image/readable_name.h"

namespace narwhal {
namespace {

struct Function {
  uint64_t size = 0;
  bool global = false;
  std::string name;
};

[[noreturn]] void fail(std::string_view file, std::string_view reason) {
  std::cerr << "symbol_table_writer: " << file << ": " << reason << "\n";
  std::exit(1);
}

std::map<uint64_t, Function> read_functions(const char* path) {
  elf_version(EV_CURRENT);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path, std::strerror(errno));
  Elf* elf = elf_begin(file, ELF_C_READ, nullptr);
  if (elf == nullptr || elf_kind(elf) != ELF_K_ELF) fail(path, "not an ELF file");

  std::map<uint64_t, Function> functions;
  bool found = false;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) fail(path, elf_errmsg(-1));
    if (header.sh_type != SHT_SYMTAB) continue;
    found = true;
    Elf_Data* data = elf_getdata(section, nullptr);
    if (data == nullptr) fail(path, elf_errmsg(-1));
    for (size_t i = 0; i < header.sh_size / header.sh_entsize; ++i) {
      GElf_Sym symbol;
      if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) fail(path, elf_errmsg(-1));
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= SHN_LORESERVE) continue;
      GElf_Shdr home;
      if (gelf_getshdr(elf_getscn(elf, symbol.st_shndx), &home) == nullptr) continue;
      if ((home.sh_flags & SHF_EXECINSTR) == 0) continue;
      const int type = GELF_ST_TYPE(symbol.st_info);
      const bool global = GELF_ST_BIND(symbol.st_info) != STB_LOCAL;
      // Labels of assembly code have no type; the boundaries that the linker script names are none
      // of them.
      if (type != STT_FUNC && type != STT_NOTYPE) continue;
      const char* name = elf_strptr(elf, header.sh_link, symbol.st_name);
      if (name == nullptr || name[0] == '\0') continue;
      if (symbol.st_value == home.sh_addr + home.sh_size) continue;
      if (type == STT_NOTYPE && std::string_view(name).starts_with("kernel_")) continue;
      // Of several names for one address, the best known is the one that a reader would look for.
      Function& function = functions[symbol.st_value];
      const bool better = function.name.empty() || (type == STT_FUNC && function.size == 0) ||
                          (global && !function.global);
      if (!better) continue;
      function = {symbol.st_size, global, readable_name(name)};
    }
  }
  if (!found) fail(path, "no symbol table");
  elf_end(elf);
  close(file);
  return functions;
}

int run(const char* kernel, const char* output) {
  const std::map<uint64_t, Function> functions = read_functions(kernel);
  std::vector<SymbolEntry> entries;
  std::string names;
  std::map<std::string, uint32_t> offsets;  // many instances of a template share a name
  for (const auto& [start, function] : functions) {
    if (start > UINT32_MAX || function.size > UINT32_MAX) fail(kernel, "larger than 4 GiB");
    const auto [at, fresh] = offsets.try_emplace(function.name, names.size());
    if (fresh) names += function.name + '\0';
    entries.push_back(
        {static_cast<uint32_t>(start), static_cast<uint32_t>(function.size), at->second});
  }
  names.resize((names.size() + 3) / 4 * 4);
  const SymbolTableHeader header = {SymbolTableHeader::kMagic,
                                    static_cast<uint32_t>(entries.size()),
                                    static_cast<uint32_t>(names.size())};

  std::ofstream file(output, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&header), sizeof(header));
  file.write(reinterpret_cast<const char*>(entries.data()),
             static_cast<std::streamsize>(entries.size() * sizeof(SymbolEntry)));
  file.write(names.data(), static_cast<std::streamsize>(names.size()));
  file.close();
  if (!file) fail(output, "cannot write");
  return 0;
}

}  // namespace
}  // namespace narwhal

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: symbol_table_writer KERNEL OUTPUT\n";
    return 2;
  }
  return narwhal::run(argv[1], argv[2]);
}
