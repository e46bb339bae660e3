#include "tools/elf/elf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/base/test_root.h"
#include "tools/elf/elf_builder.h"

namespace narwhal::tools {
namespace {

using testing::ElementsAre;

class ElfFileTest : public testing::Test {
 protected:
  ElfFile read(const std::string& contents) {
    root_.file("/file", contents);
    return read_elf(root_.path("/file"));
  }

  TestRoot root_;
};

TEST_F(ElfFileTest, Program) {
  ElfBuilder elf;
  elf.interpreter = "/lib64/ld-linux-x86-64.so.2";
  const ElfFile file = read(elf.needed("liba.so").needed("libb.so").runpath("/opt").build());
  EXPECT_EQ(file.kind, ElfFile::Kind::kExecutable);
  EXPECT_TRUE(file.is_usable());
  EXPECT_EQ(file.interpreter, "/lib64/ld-linux-x86-64.so.2");
  EXPECT_THAT(file.needed, ElementsAre("liba.so", "libb.so"));
  EXPECT_EQ(file.runpath, "/opt");
}

TEST_F(ElfFileTest, LibraryAndStaticPie) {
  EXPECT_EQ(read(ElfBuilder().soname("libx.so").build()).kind, ElfFile::Kind::kLibrary);
  ElfBuilder pie;
  pie.flags_1 = DF_1_PIE;
  EXPECT_EQ(read(pie.build()).kind, ElfFile::Kind::kExecutable);
}

TEST_F(ElfFileTest, ForeignFiles) {
  ElfBuilder arm;
  arm.machine = EM_AARCH64;
  EXPECT_FALSE(read(arm.build()).is_usable());
  EXPECT_EQ(machine_name(read(arm.build())), "AArch64");
  ElfBuilder object;
  object.type = ET_REL;
  EXPECT_EQ(read(object.build()).kind, ElfFile::Kind::kOther);
  ElfBuilder big_endian;
  big_endian.byte_order = ELFDATA2MSB;
  EXPECT_FALSE(read(big_endian.build()).is_usable());
}

TEST_F(ElfFileTest, NotElf) {
  EXPECT_EQ(read("").kind, ElfFile::Kind::kNotElf);
  EXPECT_EQ(read("#!/bin/sh\n").kind, ElfFile::Kind::kNotElf);
  EXPECT_EQ(read("\x7f").kind, ElfFile::Kind::kNotElf);
}

TEST_F(ElfFileTest, EveryPrefixIsDamagedAndSaysWhy) {
  ElfBuilder elf;
  elf.interpreter = "/lib64/ld-linux-x86-64.so.2";
  const std::string whole = elf.needed("libc.so.6").build();
  for (size_t length = 4; length < whole.size(); ++length) {
    const ElfFile file = read(whole.substr(0, length));
    ASSERT_EQ(file.kind, ElfFile::Kind::kDamaged) << length;
    EXPECT_NE(file.problem, "") << length;
  }
}

TEST_F(ElfFileTest, NoSingleWrongByteDoesHarm) {
  ElfBuilder elf;
  elf.interpreter = "/lib64/ld-linux-x86-64.so.2";
  const std::string whole = elf.needed("libc.so.6").soname("x").build();
  for (size_t at = 4; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x7f, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(value);
      const ElfFile file = read(damaged);
      if (file.kind == ElfFile::Kind::kDamaged) EXPECT_NE(file.problem, "");
    }
  }
}

TEST_F(ElfFileTest, AFileThatCannotBeOpenedIsAnError) {
  EXPECT_THROW(read_elf(root_.path("/absent")), Error);
}

}  // namespace
}  // namespace narwhal::tools
