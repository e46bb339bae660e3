// Core files: core(5).
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/user.h>

#include <thread>
#include <vector>

#include "compat_tests/common/code.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/processes/again.h"

namespace compat {
namespace {

// A core file, taken apart.
struct CoreFile {
  explicit CoreFile(std::string content) : bytes(std::move(content)) {
    if (bytes.size() < sizeof header) return;
    memcpy(&header, bytes.data(), sizeof header);
    for (size_t i = 0; i < header.e_phnum; ++i) {
      Elf64_Phdr segment;
      memcpy(&segment, &bytes[header.e_phoff + i * sizeof segment], sizeof segment);
      if (segment.p_type == PT_LOAD) loads.push_back(segment);
      if (segment.p_type == PT_NOTE) read_notes(segment);
    }
  }
  void read_notes(const Elf64_Phdr& segment) {
    for (size_t at = segment.p_offset; at < segment.p_offset + segment.p_filesz;) {
      Elf64_Nhdr note;
      memcpy(&note, &bytes[at], sizeof note);
      at += sizeof note + (note.n_namesz + 3) / 4 * 4;
      notes.emplace_back(note.n_type, bytes.substr(at, note.n_descsz));
      at += (note.n_descsz + 3) / 4 * 4;
    }
  }
  std::vector<std::string> all(unsigned type) const {
    std::vector<std::string> found;
    for (const auto& [kind, content] : notes)
      if (kind == type) found.push_back(content);
    return found;
  }
  template <class T>
  T first(unsigned type) const {
    T value{};
    const auto found = all(type);
    EXPECT_FALSE(found.empty());
    if (!found.empty()) memcpy(&value, found[0].data(), std::min(sizeof value, found[0].size()));
    return value;
  }
  // Of the program's memory; shorter where the file has none of it.
  std::string memory(const void* address, size_t size) const {
    const auto at = reinterpret_cast<uintptr_t>(address);
    for (const auto& load : loads)
      if (load.p_vaddr <= at && at + size <= load.p_vaddr + load.p_filesz)
        return bytes.substr(load.p_offset + (at - load.p_vaddr), size);
    return {};
  }

  std::string bytes;
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> loads;
  std::vector<std::pair<unsigned, std::string>> notes;
};

class Core : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string pattern = read_file("/proc/sys/kernel/core_pattern");
    if (pattern != "core\n") GTEST_SKIP() << "core files go elsewhere here: " << pattern;
    if (!WCOREDUMP(die([] {}))) GTEST_SKIP() << "no core files here";
    remove_core();
  }
  // A child that runs `before` and dies of the signal, in a directory of its own: its status.
  template <class Before>
  int die(Before before, int signal = SIGABRT) {
    return wait_status(child_ = spawn([&] {
                         const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
                         setrlimit(RLIMIT_CORE, &unlimited);
                         if (chdir(dir_.path().c_str()) != 0) return 1;
                         // Linux's default, whatever was inherited (Java's machines change it).
                         write_file("/proc/self/coredump_filter", "0x33");
                         before();
                         kill(getpid(), signal);
                         return 2;
                       }));
  }
  std::string core_name() const {
    std::string name;
    DIR* dir = opendir(dir_.path().c_str());
    while (const dirent* entry = readdir(dir))
      if (strncmp(entry->d_name, "core", 4) == 0) name = entry->d_name;
    closedir(dir);
    return name;
  }
  void remove_core() {
    const std::string name = core_name();
    if (!name.empty()) unlink((dir_ / name).c_str());
  }
  CoreFile core() { return CoreFile(read_file(dir_ / core_name())); }

  TempDir dir_;
  pid_t child_ = 0;
};

TEST_F(Core, TheStatusTells) {
  const int status = die([] {});
  EXPECT_EQ(SIGABRT, WTERMSIG(status));
  EXPECT_TRUE(WCOREDUMP(status));
  EXPECT_FALSE(WCOREDUMP(die([] {}, SIGTERM)));
}

TEST_F(Core, ChildInformationTells) {
  const pid_t pid = spawn([&] {
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &unlimited);
    return chdir(dir_.path().c_str()) == 0 ? raise(SIGQUIT) : 1;
  });
  siginfo_t info{};
  ASSERT_OK(waitid(P_PID, pid, &info, WEXITED));
  EXPECT_EQ(CLD_DUMPED, info.si_code);
  EXPECT_EQ(SIGQUIT, info.si_status);
}

TEST_F(Core, BelongsToTheUserAlone) {
  die([] {});
  struct stat status;
  ASSERT_OK(stat((dir_ / core_name()).c_str(), &status));
  EXPECT_EQ(0100600u, status.st_mode);
}

TEST_F(Core, ReplacesAnOlderOne) {
  die([] {});
  const std::string name = dir_ / core_name();
  write_file(name, "old");
  ASSERT_OK(link(name.c_str(), (dir_ / "kept").c_str()));
  EXPECT_TRUE(WCOREDUMP(die([] {})));
  EXPECT_EQ("old", read_file(dir_ / "kept"));
}

TEST_F(Core, IsAnElfFile) {
  die([] {});
  const CoreFile file = core();
  EXPECT_EQ(0, memcmp(file.header.e_ident, ELFMAG, SELFMAG));
  EXPECT_EQ(ET_CORE, file.header.e_type);
  EXPECT_EQ(EM_X86_64, file.header.e_machine);
  EXPECT_FALSE(file.loads.empty());
}

TEST_F(Core, NotesComeInOrder) {
  die([] {});
  std::vector<unsigned> types;
  for (const auto& note : core().notes) types.push_back(note.first);
  const std::vector<unsigned> expected{NT_PRSTATUS, NT_PRPSINFO, NT_SIGINFO,
                                       NT_AUXV,     NT_FILE,     NT_FPREGSET};
  ASSERT_LE(expected.size(), types.size());
  types.resize(expected.size());
  EXPECT_EQ(expected, types);
}

TEST_F(Core, TellsTheProcess) {
  die([] {});
  const auto process = core().first<elf_prpsinfo>(NT_PRPSINFO);
  EXPECT_EQ(child_, process.pr_pid);
  EXPECT_EQ(getpid(), process.pr_ppid);
  EXPECT_EQ(getpgrp(), process.pr_pgrp);
  EXPECT_EQ(getuid(), static_cast<uid_t>(process.pr_uid));
  char name[16];
  prctl(PR_GET_NAME, name);
  EXPECT_STREQ(name, process.pr_fname);
}

TEST_F(Core, TellsTheSignal) {
  die([] {});
  const CoreFile file = core();
  const auto status = file.first<elf_prstatus>(NT_PRSTATUS);
  EXPECT_EQ(SIGABRT, status.pr_cursig);
  EXPECT_EQ(child_, status.pr_pid);
  const auto info = file.first<siginfo_t>(NT_SIGINFO);
  EXPECT_EQ(SIGABRT, info.si_signo);
  EXPECT_EQ(SI_USER, info.si_code);
  EXPECT_EQ(child_, info.si_pid);
}

TEST_F(Core, TellsTheFault) {
  die([] { *reinterpret_cast<volatile int*>(bad_pointer<int>()) = 1; });
  const auto info = core().first<siginfo_t>(NT_SIGINFO);
  EXPECT_EQ(SIGSEGV, info.si_signo);
  EXPECT_EQ(SEGV_MAPERR, info.si_code);
  EXPECT_EQ(bad_pointer<void>(), info.si_addr);
}

TEST_F(Core, HasRegisters) {
  die([] { asm volatile("mov $0x1122334455667788, %%r12; mov $77, %%r13; ud2" ::: "r12", "r13"); });
  const auto status = core().first<elf_prstatus>(NT_PRSTATUS);
  user_regs_struct registers;
  memcpy(&registers, status.pr_reg, sizeof registers);
  EXPECT_EQ(0x1122334455667788u, registers.r12);
  EXPECT_EQ(77u, registers.r13);
  EXPECT_EQ(~0ull, registers.orig_rax);
  EXPECT_NE(0u, registers.fs_base);
}

TEST_F(Core, HasVectorRegisters) {
  die([] {
    const double value = 2.5;
    asm volatile("movsd %0, %%xmm7; ud2" ::"m"(value) : "xmm7");
  });
  const auto registers = core().first<elf_fpregset_t>(NT_FPREGSET);
  double value;
  memcpy(&value, &registers.xmm_space[4 * 7], sizeof value);
  EXPECT_EQ(2.5, value);
}

TEST_F(Core, HasEveryThread) {
  die([] {
    static std::atomic<int> running;
    for (int i = 0; i < 3; ++i)
      std::thread([] {
        ++running;
        for (;;) pause();
      }).detach();
    while (running < 3) nap(1);
  });
  const CoreFile file = core();
  EXPECT_EQ(4u, file.all(NT_PRSTATUS).size());
  EXPECT_EQ(4u, file.all(NT_FPREGSET).size());
  EXPECT_EQ(child_, file.first<elf_prstatus>(NT_PRSTATUS).pr_pid);
}

TEST_F(Core, TheDyingThreadComesFirst) {
  Shared<pid_t> thread;
  die([&] {
    std::thread([&] {
      *thread = gettid();
      syscall(SYS_tgkill, getpid(), gettid(), SIGABRT);
    }).join();
  });
  EXPECT_EQ(*thread, core().first<elf_prstatus>(NT_PRSTATUS).pr_pid);
}

TEST_F(Core, HasTheAuxiliaryVector) {
  die([] {});
  const std::string note = core().all(NT_AUXV).at(0);
  bool found = false;
  for (size_t at = 0; at + sizeof(ElfW(auxv_t)) <= note.size(); at += sizeof(ElfW(auxv_t))) {
    ElfW(auxv_t) entry;
    memcpy(&entry, &note[at], sizeof entry);
    if (entry.a_type == AT_ENTRY) found = entry.a_un.a_val == getauxval(AT_ENTRY);
  }
  EXPECT_TRUE(found);
}

TEST_F(Core, ListsTheProgram) {
  die([] {});
  const std::string path = canonicalize_file_name(kSelf);
  EXPECT_NE(std::string::npos, core().all(NT_FILE).at(0).find(path + '\0'));
}

// --- memory

char* map_private(size_t size) {
  return static_cast<char*>(
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

TEST_F(Core, HasStackAndHeap) {
  Shared<const void*> place;
  die([&] {
    char text[] = "on the stack";
    *place = text;
    asm volatile("" ::"m"(text));
    kill(getpid(), SIGABRT);
  });
  EXPECT_EQ("on the stack", core().memory(*place, 12));
}

TEST_F(Core, HasMemoryWithoutRights) {
  char* at = map_private(kPage);
  die([&] {
    strcpy(at, "hidden");
    mprotect(at, kPage, PROT_NONE);
  });
  EXPECT_EQ("hidden", core().memory(at, 6));
  munmap(at, kPage);
}

TEST_F(Core, UntouchedMemoryIsZero) {
  char* at = map_private(64 * kPage);
  die([&] { at[40 * kPage] = 'x'; });
  const CoreFile file = core();
  EXPECT_EQ(std::string(4, '\0'), file.memory(at, 4));
  EXPECT_EQ("x", file.memory(at + 40 * kPage, 1));
  munmap(at, 64 * kPage);
}

// However a kernel makes calls faster that are made often.
TEST_F(Core, HasCodeAsItWasWritten) {
  for (const Code& bytes : {calling(SYS_getpid), calling_in_short()[1].code}) {
    const MadeCode code(bytes);
    die([&] { code.warm(SYS_getpid); });
    EXPECT_EQ(std::string(bytes.begin(), bytes.end()), core().memory(code.start(), bytes.size()));
    remove_core();
  }
}

TEST_F(Core, AdviceKeepsMemoryOut) {
  char* at = map_private(3 * kPage);
  die([&] {
    at[0] = at[kPage] = at[2 * kPage] = 'x';
    madvise(at, 2 * kPage, MADV_DONTDUMP);
    madvise(at, kPage, MADV_DODUMP);
  });
  const CoreFile file = core();
  EXPECT_EQ("x", file.memory(at, 1));
  EXPECT_EQ("", file.memory(at + kPage, 1));
  EXPECT_EQ("x", file.memory(at + 2 * kPage, 1));
  munmap(at, 3 * kPage);
}

TEST_F(Core, LeavesFilesOut) {
  write_file(dir_ / "data", std::string(kPage, 'd'));
  Fd fd = open((dir_ / "data").c_str(), O_RDWR);
  char* at = static_cast<char*>(mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, 0));
  die([&] {});
  EXPECT_EQ("", core().memory(at, 1));
  munmap(at, kPage);
}

// --- the filter

std::string filter_text() {
  return read_file("/proc/self/coredump_filter");
}

TEST_F(Core, TheFilterChooses) {
  Shared<char> shared;
  char* at = map_private(kPage);
  *shared = 's';
  at[0] = 'p';
  die([] { write_file("/proc/self/coredump_filter", "2"); });
  const CoreFile file = core();
  EXPECT_EQ("s", file.memory(&*shared, 1));
  EXPECT_EQ("", file.memory(at, 1));
  munmap(at, kPage);
}

TEST(CoreFilter, IsInherited) {
  const std::string before = filter_text();
  EXPECT_EQ(0, run_child([] {
              write_file("/proc/self/coredump_filter", "0x17\n");
              return run_child([] { return filter_text() == "00000017\n" ? 0 : 1; });
            }));
  EXPECT_EQ(0x17, run_child([] {
              write_file("/proc/self/coredump_filter", "23");
              return become("filter");
            }));
  EXPECT_EQ(before, filter_text());
}

// --- whether

TEST_F(Core, TheLimitForbids) {
  EXPECT_FALSE(WCOREDUMP(die([] {
    const rlimit none{0, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &none);
  })));
  EXPECT_EQ("", core_name());
}

TEST_F(Core, TheLimitCuts) {
  char* at = map_private(64 * kPage);
  memset(at, 'x', 64 * kPage);
  die([] {
    const rlimit small{32 * kPage, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &small);
  });
  struct stat status;
  ASSERT_OK(stat((dir_ / core_name()).c_str(), &status));
  // A file system may need a block more for the list of the file's blocks.
  EXPECT_GE(static_cast<off_t>(33 * kPage), status.st_blocks * 512);
  munmap(at, 64 * kPage);
}

TEST_F(Core, TheProcessForbids) {
  EXPECT_FALSE(WCOREDUMP(die([] { prctl(PR_SET_DUMPABLE, 0); })));
  EXPECT_EQ("", core_name());
}

TEST_F(Core, ADirectoryInItsPlaceForbids) {
  ASSERT_OK(mkdir((dir_ / "core").c_str(), 0755));
  const int status = die([] {});
  EXPECT_EQ(SIGABRT, WTERMSIG(status));
  rmdir((dir_ / "core").c_str());
}

TEST_F(Core, HandledSignalsLeaveNone) {
  EXPECT_TRUE(WIFEXITED(die([] { signal(SIGABRT, [](int) { _exit(0); }); })));
  EXPECT_EQ("", core_name());
}

}  // namespace
}  // namespace compat
