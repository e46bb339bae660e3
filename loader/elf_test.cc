#include "loader/elf.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "loader/testing/byte_string_source.h"
#include "loader/testing/malformed.h"
#include "loader/testing/native_exec.h"

namespace narwhal {
namespace {

using testing::ExecOutcome;
using testing::MalformedFile;
using testing::ProgramImage;

Result<ElfFile> read(const std::string& bytes) {
  testing::ByteStringSource source(bytes);
  return read_elf(source);
}

class Malformed : public ::testing::TestWithParam<MalformedFile> {};

// The table is right about Linux.
TEST_P(Malformed, IsToLinuxWhatTheTableSays) {
  if (GetParam().on_linux.kind == ExecOutcome::kVaries) GTEST_SKIP() << "releases of Linux differ";
  const char* const folder = getenv("TEST_TMPDIR");
  const std::string path = std::string(folder != nullptr ? folder : "/tmp") + "/malformed";
  EXPECT_EQ(testing::to_text(testing::execute_bytes(path, GetParam().bytes)),
            testing::to_text(GetParam().on_linux));
}

// What execve(2) finds out without looking at other files, the reader says with the same errno.
TEST_P(Malformed, IsReadAsLinuxReadsIt) {
  const MalformedFile& file = GetParam();
  const auto elf = read(file.bytes);
  switch (file.on_linux.kind) {
    case ExecOutcome::kExited:
      EXPECT_TRUE(elf.ok());
      break;
    case ExecOutcome::kError:
      // A file that is shorter than a header is refused before it gets here.
      if (file.bytes.size() < sizeof(Elf64_Ehdr))
        EXPECT_TRUE(elf.failed(Errno::kIo));
      else if (file.on_linux.value == ENOEXEC || file.on_linux.value == EIO ||
               file.on_linux.value == EINVAL)
        EXPECT_EQ(elf.ok() ? 0 : int(elf.error()), file.on_linux.value);
      else
        EXPECT_TRUE(elf.ok()) << "the reader does not look for the interpreter";
      break;
    case ExecOutcome::kKilled:
    case ExecOutcome::kVaries:
      // Refused here, or by the address space; in no case with anything but ENOEXEC.
      if (!elf.ok()) EXPECT_EQ(elf.error(), Errno::kNoExec);
      break;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Malformed, ::testing::ValuesIn(testing::malformed_files()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Elf, TellsWhatAnExecutableIs) {
  const ElfFile elf = read(ProgramImage().build()).take();
  EXPECT_FALSE(elf.position_independent);
  EXPECT_EQ(elf.entry, 0x400000u + 64 + 56);
  EXPECT_EQ(elf.program_headers_at, 0x400040u);
  EXPECT_EQ(elf.program_header_count, 1);
  ASSERT_EQ(elf.segments.size(), 1u);
  EXPECT_EQ(elf.lowest, 0x400000u);
  EXPECT_EQ(elf.highest, 0x401000u);
  EXPECT_EQ(elf.alignment, kPageSize);
  EXPECT_TRUE(elf.interpreter.empty());
}

TEST(Elf, CoversAllSegmentsAndTakesTheLargestAlignment) {
  ProgramImage image(ET_DYN);
  image.segments.push_back(image.segments[0]);
  image.segments.push_back(image.segments[0]);
  const ElfFile elf = read(image.build([](ProgramImage& i) {
                        i.segments[1].p_vaddr = 0x3000;
                        i.segments[1].p_align = 0x10000;
                        i.segments[2].p_vaddr = 0x205000;
                        i.segments[2].p_memsz = 0x1001;
                        i.segments[2].p_align = 0x30000;  // no power of two: does not count
                      })).take();
  EXPECT_TRUE(elf.position_independent);
  EXPECT_EQ(elf.segments.size(), 3u);
  EXPECT_EQ(elf.lowest, 0u);
  EXPECT_EQ(elf.highest, 0x207000u);
  EXPECT_EQ(elf.alignment, 0x10000u);
}

TEST(Elf, ReadsTheInterpretersName) {
  ProgramImage image;
  image.set_interpreter(std::string("/lib64/ld-linux-x86-64.so.2", 28));
  const ElfFile elf = read(image.build()).take();
  EXPECT_STREQ(elf.interpreter.data(), "/lib64/ld-linux-x86-64.so.2");
}

TEST(Elf, TakesTheFirstOfTwoInterpreters) {
  ProgramImage image;
  image.set_interpreter(std::string("/one\0/two\0", 10));
  image.segments.push_back(image.segments[1]);
  const ElfFile elf = read(image.build([](ProgramImage& i) {
                        i.segments[1].p_filesz = 5;
                        i.segments[2].p_offset += 5;
                        i.segments[2].p_filesz = 5;
                      })).take();
  EXPECT_STREQ(elf.interpreter.data(), "/one");
}

TEST(Elf, StackIsExecutableOnlyWhereTheFileAsks) {
  ProgramImage image;
  Elf64_Phdr stack = {};
  stack.p_type = PT_GNU_STACK;
  image.segments.push_back(stack);
  EXPECT_FALSE(read(image.build()).take().executable_stack);
  image.segments.back().p_flags = PF_R | PF_W | PF_X;
  EXPECT_TRUE(read(image.build()).take().executable_stack);
}

TEST(Elf, KnowsWhenTheProgramHeadersAreInNoSegment) {
  ProgramImage image;
  const ElfFile elf = read(image.build([](ProgramImage& i) {
                        i.segments[0].p_offset += 0x1000;
                        i.segments[0].p_vaddr += 0x1000;
                      })).take();
  EXPECT_EQ(elf.program_headers_at, 0u);
}

TEST(Elf, RefusesSegmentsThatOverlapOrAreOutOfOrder) {
  // Linux maps one over the other; no linker makes such files, and a clear refusal beats a program
  // whose halves are mixed up.
  ProgramImage image;
  image.segments.push_back(image.segments[0]);
  EXPECT_EQ(read(image.build()).error(), Errno::kNoExec);
  EXPECT_EQ(read(image.build([](ProgramImage& i) { i.segments[1].p_vaddr = 0x300000; })).error(),
            Errno::kNoExec);
  EXPECT_TRUE(read(image.build([](ProgramImage& i) { i.segments[1].p_vaddr = 0x500000; })).ok());
}

TEST(Elf, SegmentsMayShareAPage) {
  ProgramImage image;
  image.segments.push_back(image.segments[0]);
  const ElfFile elf = read(image.build([](ProgramImage& i) {
                        i.segments[0].p_filesz = i.segments[0].p_memsz = 0x80;
                        i.segments[1].p_offset = 0x80;
                        i.segments[1].p_vaddr += 0x80;
                        i.segments[1].p_filesz = i.segments[1].p_memsz = 16;
                      })).take();
  EXPECT_EQ(elf.segments.size(), 2u);
  EXPECT_EQ(elf.highest, 0x401000u);
}

class FailingSource final : public ByteSource {
 public:
  Result<usize> read_at(u64, std::span<std::byte>) override { return Errno::kNoMem; }
};

TEST(Elf, PassesErrorsOfReadingOn) {
  FailingSource source;
  EXPECT_EQ(read_elf(source).error(), Errno::kNoMem);
}

}  // namespace
}  // namespace narwhal
