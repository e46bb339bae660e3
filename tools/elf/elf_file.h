// What an ELF file says about itself and about what it needs, read with libelf.
//
// Sources: elf(5); System V gABI chapter 5 (dynamic section).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace narwhal::tools {

struct ElfFile {
  enum class Kind {
    kNotElf,      // no ELF magic
    kDamaged,     // ELF magic, but the headers make no sense; `problem` says what
    kExecutable,  // ET_EXEC, or ET_DYN with an interpreter or marked as a PIE
    kLibrary,     // other ET_DYN
    kOther,       // object file, core dump
  };

  Kind kind = Kind::kNotElf;
  std::string problem;

  bool is_64_bit = false;
  uint16_t machine = 0;     // EM_*
  std::string interpreter;  // PT_INTERP; empty in libraries and static programs
  std::string soname;
  std::vector<std::string> needed;   // DT_NEEDED, in order, nothing expanded
  std::vector<std::string> filtees;  // DT_FILTER and DT_AUXILIARY: loaded as well when they exist
  std::string rpath;    // DT_RPATH; empty when there is a DT_RUNPATH, which overrides it
  std::string runpath;  // DT_RUNPATH
  bool has_dynamic_section = false;
  bool no_default_libraries = false;  // DF_1_NODEFLIB

  // Can a 64-bit x86 kernel and its loaders take this file?
  bool is_x86_64() const;
  bool is_usable() const {
    return (kind == Kind::kExecutable || kind == Kind::kLibrary) && is_x86_64();
  }
};

// Reads the file at a path on this machine. Throws Error when it cannot be opened or read; a file
// that is not ELF, or broken, is an answer and not an error.
ElfFile read_elf(const std::string& path_on_host);

// "AArch64", "32-bit Arm", ... for messages; "machine 243" when it has no better name here.
std::string machine_name(const ElfFile& file);

}  // namespace narwhal::tools
