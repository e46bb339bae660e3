// For tests: files that are no good as programs, and what Linux's execve(2) makes of each.
#pragma once

#include <cerrno>
#include <string>
#include <vector>

#include "loader/testing/program_image.h"

namespace narwhal::testing {

// What execve(2) leads to.
struct ExecOutcome {
  enum Kind { kError, kKilled, kExited, kVaries };
  Kind kind = kError;
  int value = 0;  // errno, nothing, or the exit status

  static ExecOutcome error(int number) { return {kError, number}; }
  // Linux notices only when the old program is gone; or the new one dies at its first instruction.
  static ExecOutcome killed() { return {kKilled, 0}; }
  // Releases of Linux differ.
  static ExecOutcome varies() { return {kVaries, 0}; }
  static ExecOutcome runs() { return {kExited, kImageStatus}; }
  friend bool operator==(const ExecOutcome&, const ExecOutcome&) = default;
};

struct MalformedFile {
  const char* name;
  std::string bytes;
  ExecOutcome on_linux;
};

// Each differs in one thing from a program that runs. Narwhal answers as Linux does; where Linux
// kills, it may refuse with an error before anything is lost.
inline std::vector<MalformedFile> malformed_files() {
  std::vector<MalformedFile> files;
  const auto add = [&](const char* name, const std::string& bytes, ExecOutcome on_linux) {
    files.push_back({name, bytes, on_linux});
  };
  using Image = ProgramImage;
  const auto kNoExec = ExecOutcome::error(ENOEXEC);
  const auto kKilled = ExecOutcome::killed();
  const auto kRuns = ExecOutcome::runs();
  const auto spoiled = [](uint16_t type, const std::function<void(Image&)>& spoil) {
    return Image(type).build(spoil);
  };
  const auto executable = [&](auto spoil) { return spoiled(ET_EXEC, spoil); };
  const auto movable = [&](auto spoil) { return spoiled(ET_DYN, spoil); };
  const std::string good = Image().build();

  // The two that are good, so that the others are seen to be wrong in one thing only.
  add("Good", good, kRuns);
  add("GoodPositionIndependent", Image(ET_DYN).build(), kRuns);

  // Cut off.
  add("Empty", "", kNoExec);
  add("OneByte", "\x7f", kNoExec);
  add("MagicOnly", good.substr(0, 4), kNoExec);
  add("IdentificationOnly", good.substr(0, 16), kNoExec);
  add("HalfAHeader", good.substr(0, 32), kNoExec);
  add("HeaderLessOneByte", good.substr(0, 63), kNoExec);
  add("HeaderOnly", good.substr(0, 64), kNoExec);
  add("HalfAProgramHeader", good.substr(0, 64 + 28), kNoExec);
  add("ProgramHeaderLessOneByte", good.substr(0, 64 + 55), kNoExec);

  // The header.
  add("OtherMagic", executable([](Image& i) { i.header.e_ident[1] = 'e'; }), kNoExec);
  add("Text", "just some text that is long enough to be an ELF header, and then a little longer\n",
      kNoExec);
  // Linux looks at the machine, and never at class, byte order and version.
  add("Class32", executable([](Image& i) { i.header.e_ident[EI_CLASS] = ELFCLASS32; }), kRuns);
  add("ClassUnknown", executable([](Image& i) { i.header.e_ident[EI_CLASS] = 77; }), kRuns);
  add("BigEndianMark", executable([](Image& i) { i.header.e_ident[EI_DATA] = ELFDATA2MSB; }),
      kRuns);
  add("VersionZero", executable([](Image& i) {
        i.header.e_ident[EI_VERSION] = 0;
        i.header.e_version = 0;
      }),
      kRuns);
  add("AArch64", executable([](Image& i) { i.header.e_machine = EM_AARCH64; }), kNoExec);
  add("NoMachine", executable([](Image& i) { i.header.e_machine = EM_NONE; }), kNoExec);
  add("RelocatableObject", executable([](Image& i) { i.header.e_type = ET_REL; }), kNoExec);
  add("CoreDump", executable([](Image& i) { i.header.e_type = ET_CORE; }), kNoExec);
  add("NoType", executable([](Image& i) { i.header.e_type = ET_NONE; }), kNoExec);

  // The table of program headers.
  add("SmallProgramHeaders", executable([](Image& i) { i.header.e_phentsize = 32; }), kNoExec);
  add("LargeProgramHeaders", executable([](Image& i) { i.header.e_phentsize = 64; }), kNoExec);
  add("NoProgramHeaders", executable([](Image& i) { i.header.e_phnum = 0; }), kNoExec);
  add("MoreProgramHeadersThanTheFile", executable([](Image& i) { i.header.e_phnum = 100; }),
      kNoExec);
  add("TooManyProgramHeaders", executable([](Image& i) { i.header.e_phnum = 0xffff; }), kNoExec);
  add("ProgramHeadersBehindTheEnd", executable([](Image& i) { i.header.e_phoff = 1 << 20; }),
      kNoExec);
  add("ProgramHeadersAtTheLimit", executable([](Image& i) { i.header.e_phoff = INT64_MAX; }),
      kNoExec);
  add("ProgramHeadersAtANegativePlace", executable([](Image& i) { i.header.e_phoff = ~0ull - 10; }),
      kNoExec);

  // Segments.
  add("NothingToLoad", executable([](Image& i) { i.segments[0].p_type = PT_NULL; }), kKilled);
  add("NothingToLoadPositionIndependent", movable([](Image& i) { i.segments[0].p_type = PT_NOTE; }),
      kKilled);
  add("LargerInTheFileThanInMemory", executable([](Image& i) { i.segments[0].p_memsz = 10; }),
      kKilled);
  add("HostileFileSize", executable([](Image& i) { i.segments[0].p_filesz = ~0ull; }), kKilled);
  add("HostileMemorySize", executable([](Image& i) { i.segments[0].p_memsz = ~0ull; }), kKilled);
  add("HostileSizes",
      executable([](Image& i) { i.segments[0].p_filesz = i.segments[0].p_memsz = ~0ull; }),
      kKilled);
  add("MemoryAsLargeAsTheAddressSpace",
      executable([](Image& i) { i.segments[0].p_memsz = 1ull << 47; }), kKilled);
  add("AddressThatWraps", executable([](Image& i) { i.segments[0].p_vaddr = ~0ull << 12; }),
      kKilled);
  add("AddressOfTheKernel",
      executable([](Image& i) { i.segments[0].p_vaddr = 0xffff'8000'0000'0000; }), kKilled);
  add("AddressThatIsNotCanonical",
      executable([](Image& i) { i.segments[0].p_vaddr = 0x8000'0000'0000'0000; }), kKilled);
  add("AddressAtTheEndOfTheProgramsHalf",
      executable([](Image& i) { i.segments[0].p_vaddr = 0x7fff'ffff'f000; }), kKilled);
  add("OffsetThatWraps", executable([](Image& i) { i.segments[0].p_offset = ~0ull << 12; }),
      kKilled);
  add("OffsetAndAddressDisagree", executable([](Image& i) { i.segments[0].p_vaddr += 1; }),
      kKilled);
  add("HugeSpanPositionIndependent",
      movable([](Image& i) { i.segments[0].p_memsz = (1ull << 47) - 8192; }), kKilled);

  // Alignment counts only where it is a power of two.
  add("AlignmentZero", movable([](Image& i) { i.segments[0].p_align = 0; }), kRuns);
  add("AlignmentOne", movable([](Image& i) { i.segments[0].p_align = 1; }), kRuns);
  add("AlignmentThree", movable([](Image& i) { i.segments[0].p_align = 3; }), kRuns);
  add("AlignmentOfHugePages", movable([](Image& i) { i.segments[0].p_align = 2 << 20; }), kRuns);
  add("AlignmentHostile", movable([](Image& i) { i.segments[0].p_align = 1ull << 63; }),
      ExecOutcome::varies());
  add("AlignmentHostileOfAnExecutable",
      executable([](Image& i) { i.segments[0].p_align = 1ull << 63; }), kRuns);

  // The entry.
  add("EntryAtZero", executable([](Image& i) { i.header.e_entry = 0; }), kKilled);
  add("EntryOutsideOfAllSegments", executable([](Image& i) { i.header.e_entry = 0x700000; }),
      kKilled);
  add("EntryInTheKernel", executable([](Image& i) { i.header.e_entry = 0xffff'ffff'8100'0000; }),
      kKilled);
  add("EntryThatIsNotCanonical",
      executable([](Image& i) { i.header.e_entry = 0x8000'0000'0000'0000; }), kKilled);
  add("EntryInDataThatMayNotRun", executable([](Image& i) { i.segments[0].p_flags = PF_R | PF_W; }),
      kKilled);

  // A segment of which the file has nothing; and one that is mostly behind the file's end, which
  // hurts only whoever looks there.
  add("SegmentBehindTheEndOfTheFile",
      executable([](Image& i) { i.segments[0].p_offset = 1 << 20; }), kKilled);
  add("SegmentThatEndsBehindTheFile",
      executable([](Image& i) { i.segments[0].p_filesz = i.segments[0].p_memsz = 100000; }), kRuns);
  {
    Image two;
    two.segments.push_back(two.segments[0]);
    add("SegmentOfNoSize",
        two.build([](Image& i) { i.segments[1].p_filesz = i.segments[1].p_memsz = 0; }), kRuns);
    add("SegmentOfZeros", two.build([](Image& i) {
      i.segments[1].p_vaddr = 0x600000;
      i.segments[1].p_flags = PF_R | PF_W;
      i.segments[1].p_filesz = 0;
      i.segments[1].p_memsz = 100000;
    }),
        kRuns);
  }

  // PT_INTERP.
  const auto interpreted = [](const std::string& text) {
    Image image;
    image.set_interpreter(text);
    return image;
  };
  const auto with_interpreter = [&](const std::string& text, auto spoil) {
    return interpreted(text).build(spoil);
  };
  const auto as_it_is = [](Image&) {};
  add("InterpreterMissing", with_interpreter(std::string("/no/such/loader", 16), as_it_is),
      ExecOutcome::error(ENOENT));
  add("InterpreterIsAFolder", with_interpreter(std::string("/proc", 6), as_it_is),
      ExecOutcome::error(EACCES));
  add("InterpreterBelowAFile", with_interpreter(std::string("/proc/self/maps/x", 18), as_it_is),
      ExecOutcome::error(ENOTDIR));
  add("InterpreterWithoutItsNul", with_interpreter("/no/such/loader", as_it_is), kNoExec);
  add("InterpreterEmpty", with_interpreter(std::string("\0\0", 2), as_it_is),
      ExecOutcome::error(EACCES));
  add("InterpreterOfOneByte", with_interpreter(std::string("\0", 1), as_it_is), kNoExec);
  add("InterpreterOfNoByte", with_interpreter("", as_it_is), kNoExec);
  add("InterpreterTooLong", with_interpreter(std::string(4097, '\0'), as_it_is), kNoExec);
  add("InterpreterNameTooLong",
      with_interpreter("/" + std::string(4094, 'x') + std::string(1, '\0'), as_it_is),
      ExecOutcome::error(ENAMETOOLONG));
  add("InterpreterOfHostileSize",
      with_interpreter(std::string("/x", 3), [](Image& i) { i.segments[1].p_filesz = ~0ull; }),
      kNoExec);
  add("InterpreterBehindTheEnd",
      with_interpreter(std::string("/x", 3), [](Image& i) { i.segments[1].p_offset = 1 << 20; }),
      ExecOutcome::error(EIO));
  add("InterpreterAtANegativePlace",
      with_interpreter(std::string("/x", 3), [](Image& i) { i.segments[1].p_offset = ~0ull; }),
      ExecOutcome::error(EINVAL));
  // /proc/self/status is text, and /dev/null has no bytes.
  add("InterpreterIsADevice", with_interpreter(std::string("/dev/null", 10), as_it_is),
      ExecOutcome::error(EACCES));
  return files;
}

}  // namespace narwhal::testing
