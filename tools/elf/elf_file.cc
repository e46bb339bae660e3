#include "tools/elf/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "tools/base/error.h"
#include "tools/base/unique_fd.h"

namespace narwhal::tools {

namespace {

struct EndElf {
  void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, EndElf>;

// The program headers' view of the file: what the kernel and ld.so go by. Section headers may be
// missing or lie.
class Reader {
 public:
  Reader(int fd, Elf* elf, ElfFile& file) : fd_(fd), elf_(elf), file_(file) {}

  void read_all() {
    GElf_Ehdr header;
    if (gelf_getehdr(elf_, &header) == nullptr) return damaged(elf_errmsg(-1));
    file_.is_64_bit = header.e_ident[EI_CLASS] == ELFCLASS64;
    file_.machine = header.e_machine;
    if (header.e_ident[EI_DATA] != ELFDATA2LSB) file_.machine = foreign_byte_order(header);
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
      file_.kind = ElfFile::Kind::kOther;
      return;
    }
    size_t count = 0;
    if (elf_getphdrnum(elf_, &count) != 0) return damaged(elf_errmsg(-1));
    std::optional<GElf_Phdr> dynamic;
    for (size_t i = 0; i < count; ++i) {
      GElf_Phdr segment;
      if (gelf_getphdr(elf_, static_cast<int>(i), &segment) == nullptr) {
        return damaged("its program headers are cut off");
      }
      if (segment.p_type == PT_LOAD) loads_.push_back(segment);
      if (segment.p_type == PT_DYNAMIC) dynamic = segment;
      if (segment.p_type == PT_INTERP && !read_interpreter(segment)) {
        return damaged("its interpreter's name is cut off");
      }
    }
    if (loads_.empty()) return damaged("it has nothing to load (no PT_LOAD)");
    if (dynamic && !read_dynamic(*dynamic)) return damaged("its dynamic section is cut off");
    const bool executable =
        header.e_type == ET_EXEC || !file_.interpreter.empty() || position_independent_program_;
    file_.kind = executable ? ElfFile::Kind::kExecutable : ElfFile::Kind::kLibrary;
  }

 private:
  void damaged(const std::string& why) {
    file_.kind = ElfFile::Kind::kDamaged;
    file_.problem = why;
  }

  // x86-64 is little-endian; whatever claims to be a big-endian one is no machine that exists.
  static uint16_t foreign_byte_order(const GElf_Ehdr& header) {
    return header.e_machine == EM_X86_64 ? static_cast<uint16_t>(EM_NONE) : header.e_machine;
  }

  std::optional<std::string> read_bytes(uint64_t offset, uint64_t length) const {
    constexpr uint64_t kSensible = 16 << 20;
    if (length > kSensible || offset > INT64_MAX) return std::nullopt;
    std::string bytes(length, '\0');
    size_t done = 0;
    while (done < length) {
      const ssize_t got =
          pread(fd_, bytes.data() + done, length - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return std::nullopt;
      done += static_cast<size_t>(got);
    }
    return bytes;
  }

  bool read_interpreter(const GElf_Phdr& segment) {
    const auto bytes = read_bytes(segment.p_offset, segment.p_filesz);
    if (!bytes || bytes->find('\0') == std::string::npos) return false;
    file_.interpreter = bytes->c_str();
    return true;
  }

  // Dynamic tags hold addresses in memory; this finds them in the file.
  std::optional<uint64_t> file_offset(uint64_t address) const {
    for (const GElf_Phdr& load : loads_) {
      if (address >= load.p_vaddr && address - load.p_vaddr < load.p_filesz) {
        return load.p_offset + (address - load.p_vaddr);
      }
    }
    return std::nullopt;
  }

  bool read_dynamic(const GElf_Phdr& segment) {
    file_.has_dynamic_section = true;
    Elf_Data* const data = elf_getdata_rawchunk(elf_, static_cast<int64_t>(segment.p_offset),
                                                segment.p_filesz, ELF_T_DYN);
    if (data == nullptr) return false;
    const size_t entry_size = gelf_fsize(elf_, ELF_T_DYN, 1, EV_CURRENT);
    std::vector<GElf_Dyn> entries;
    for (size_t i = 0; i < data->d_size / entry_size; ++i) {
      GElf_Dyn entry;
      if (gelf_getdyn(data, static_cast<int>(i), &entry) == nullptr) return false;
      if (entry.d_tag == DT_NULL) break;
      entries.push_back(entry);
    }
    return interpret(entries);
  }

  bool interpret(const std::vector<GElf_Dyn>& entries) {
    std::optional<uint64_t> strings_address;
    uint64_t strings_size = 0;
    for (const GElf_Dyn& entry : entries) {
      if (entry.d_tag == DT_STRTAB) strings_address = entry.d_un.d_ptr;
      if (entry.d_tag == DT_STRSZ) strings_size = entry.d_un.d_val;
    }
    if (!strings_address) return true;  // legal, if odd: nothing is named
    const auto offset = file_offset(*strings_address);
    const auto strings = offset ? read_bytes(*offset, strings_size) : std::nullopt;
    if (!strings) return false;
    bool has_runpath = false;
    for (const GElf_Dyn& entry : entries) {
      const uint64_t value = entry.d_un.d_val;
      const auto text = [&]() -> std::string {
        return value < strings->size() ? std::string(strings->c_str() + value) : std::string();
      };
      switch (entry.d_tag) {
        case DT_NEEDED:
          file_.needed.push_back(text());
          break;
        case DT_FILTER:
        case DT_AUXILIARY:
          file_.filtees.push_back(text());
          break;
        case DT_SONAME:
          file_.soname = text();
          break;
        case DT_RPATH:
          file_.rpath = text();
          break;
        case DT_RUNPATH:
          has_runpath = true;
          file_.runpath = text();
          break;
        case DT_FLAGS_1:
          file_.no_default_libraries = (value & DF_1_NODEFLIB) != 0;
          position_independent_program_ = (value & DF_1_PIE) != 0;
          break;
        default:
          break;
      }
    }
    if (has_runpath) file_.rpath.clear();
    return true;
  }

  int fd_;
  Elf* elf_;
  ElfFile& file_;
  std::vector<GElf_Phdr> loads_;
  bool position_independent_program_ = false;
};

}  // namespace

bool ElfFile::is_x86_64() const {
  return is_64_bit && machine == EM_X86_64;
}

ElfFile read_elf(const std::string& path_on_host) {
  static const bool ready = elf_version(EV_CURRENT) != EV_NONE;
  if (!ready) fail("libelf is of an unknown version: {}", elf_errmsg(-1));
  const UniqueFd fd(open(path_on_host.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) fail("cannot open {}: {}", path_on_host, strerror(errno));

  ElfFile file;
  unsigned char magic[EI_NIDENT];
  const ssize_t got = pread(fd.get(), magic, sizeof magic, 0);
  if (got < 0) fail("cannot read {}: {}", path_on_host, strerror(errno));
  if (got < SELFMAG || memcmp(magic, ELFMAG, SELFMAG) != 0) return file;
  const ElfHandle elf(elf_begin(fd.get(), ELF_C_READ, nullptr));
  if (elf == nullptr || elf_kind(elf.get()) != ELF_K_ELF) {
    file.kind = ElfFile::Kind::kDamaged;
    file.problem = "its header is cut off or damaged";
    return file;
  }
  Reader(fd.get(), elf.get(), file).read_all();
  return file;
}

std::string machine_name(const ElfFile& file) {
  static constexpr struct {
    uint16_t machine;
    const char* name;
  } kNames[] = {
      {EM_386, "x86"},      {EM_X86_64, "x86-64"}, {EM_AARCH64, "AArch64"},     {EM_ARM, "Arm"},
      {EM_RISCV, "RISC-V"}, {EM_PPC64, "PowerPC"}, {EM_PPC, "PowerPC"},         {EM_S390, "IBM Z"},
      {EM_MIPS, "MIPS"},    {EM_SPARCV9, "SPARC"}, {EM_LOONGARCH, "LoongArch"},
  };
  const std::string prefix = file.is_64_bit ? "" : "32-bit ";
  for (const auto& [machine, name] : kNames) {
    if (machine == file.machine) return prefix + name;
  }
  return fmt::format("{}machine {}", prefix, file.machine);
}

}  // namespace narwhal::tools
