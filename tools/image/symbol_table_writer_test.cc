// The table in a linked image names the functions that its ELF symbols name, and the second link
// moved none of them.

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/base/symbols/symbol_table.h"

namespace narwhal {
namespace {

struct Image {
  std::map<std::string, uint64_t> symbols;
  std::vector<uint32_t> table;
};

Image read_image(const char* path) {
  Image image;
  elf_version(EV_CURRENT);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  Elf* elf = elf_begin(file, ELF_C_READ, nullptr);
  size_t names = 0;
  elf_getshdrstrndx(elf, &names);
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    gelf_getshdr(section, &header);
    Elf_Data* data = elf_getdata(section, nullptr);
    if (elf_strptr(elf, names, header.sh_name) == std::string(".symbols")) {
      image.table.resize(header.sh_size / sizeof(uint32_t));
      std::memcpy(image.table.data(), data->d_buf, image.table.size() * sizeof(uint32_t));
    }
    if (header.sh_type != SHT_SYMTAB) continue;
    for (size_t i = 0; i < header.sh_size / header.sh_entsize; ++i) {
      GElf_Sym symbol;
      gelf_getsym(data, static_cast<int>(i), &symbol);
      image.symbols[elf_strptr(elf, header.sh_link, symbol.st_name)] = symbol.st_value;
    }
  }
  elf_end(elf);
  close(file);
  return image;
}

TEST(SymbolTableWriterTest, NamesTheFunctionsOfAnImage) {
  const Image image = read_image("kernel/init/narwhal.debug");
  const SymbolTable table(std::as_bytes(std::span(image.table)));
  EXPECT_GT(table.size(), 1000u);
  for (const char* name : {"pvh_entry", "memcpy", "lwip_init"}) {
    ASSERT_TRUE(image.symbols.contains(name)) << name;
    const SymbolTable::Found found = table.find(image.symbols.at(name) + 1);
    EXPECT_EQ(found.name, name);
    EXPECT_EQ(found.offset, 1u);
  }
}

}  // namespace
}  // namespace narwhal
