// Core files, as a program leaves them behind: core(5).
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>

#include <map>

#include "kernel/abi/resource.h"
#include "process/core_settings.h"
#include "syscalls/testing/file_program.h"

namespace narwhal {
namespace {

using namespace testing;
using test_program::fork;
using test_program::let_others_run;
using test_program::start_thread;
using test_program::wait_for;

// A core file, taken apart.
struct Core {
  explicit Core(std::string bytes) : content(std::move(bytes)) {
    if (content.size() < sizeof header) return;
    std::memcpy(&header, content.data(), sizeof header);
    for (usize i = 0; i < header.e_phnum; ++i) {
      Elf64_Phdr segment;
      std::memcpy(&segment, &content[header.e_phoff + i * sizeof segment], sizeof segment);
      if (segment.p_type == PT_NOTE)
        read_notes(segment);
      else
        loads.push_back(segment);
    }
  }
  void read_notes(const Elf64_Phdr& segment) {
    for (usize at = segment.p_offset; at < segment.p_offset + segment.p_filesz;) {
      Elf64_Nhdr note;
      std::memcpy(&note, &content[at], sizeof note);
      at += sizeof note;
      const std::string owner = content.substr(at, note.n_namesz - 1);
      at += align_up(note.n_namesz, 4);
      notes.emplace_back(note.n_type, content.substr(at, note.n_descsz));
      EXPECT_EQ(owner, note.n_type == NT_X86_XSTATE ? "LINUX" : "CORE");
      at += align_up(note.n_descsz, 4);
    }
  }
  std::vector<std::string> all(u32 type) const {
    std::vector<std::string> found;
    for (const auto& [kind, content] : notes)
      if (kind == type) found.push_back(content);
    return found;
  }
  // The only note of its kind.
  template <typename T>
  T one(u32 type) const {
    const auto found = all(type);
    EXPECT_EQ(found.size(), 1u);
    T value{};
    if (!found.empty()) {
      EXPECT_EQ(found[0].size(), sizeof value);
      std::memcpy(&value, found[0].data(), sizeof value);
    }
    return value;
  }
  const Elf64_Phdr* segment_of(UserAddr at) const {
    for (const auto& load : loads)
      if (load.p_vaddr <= at.value && at.value < load.p_vaddr + load.p_memsz) return &load;
    return nullptr;
  }
  // Of the program's memory.
  std::string memory(UserAddr at, usize size) const {
    const Elf64_Phdr* load = segment_of(at);
    if (!load || at.value - load->p_vaddr + size > load->p_filesz) return "not there";
    return content.substr(load->p_offset + (at.value - load->p_vaddr), size);
  }

  std::string content;
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> loads;
  std::vector<std::pair<u32, std::string>> notes;
};

class CoreDumpTest : public FileProgram {
 protected:
  void SetUp() override {
    FileProgram::SetUp();
    current_process().set_limit(abi::kLimitCore, {~u64{0}, ~u64{0}});
  }
  void TearDown() override {
    set_core_pattern("core");
    set_core_uses_pid(false);
    set_suid_dumpable(0);
    current_process().dumpable.store(1);
    FileProgram::TearDown();
  }
  // All of it, however long.
  std::string content(std::string_view path) {
    const i64 fd = call(SYS_open, path, O_RDONLY);
    if (fd < 0) return "";
    const i64 size = call(SYS_lseek, fd, 0, SEEK_END);
    std::string all;
    static const UserAddr buffer = allocate(64 * kKiB);
    for (i64 at = 0; at < size;) {
      const i64 got = call(SYS_pread64, fd, buffer, 64 * kKiB, at);
      if (got <= 0) break;
      all += get_bytes(buffer, usize(got));
      at += got;
    }
    call(SYS_close, fd);
    return all;
  }
  bool exists(std::string_view path) { return call(SYS_access, path, F_OK) == 0; }
  // A child that runs `before` and dies of the signal; its status.
  i64 die(std::function<void()> before = [] {}, int signal = SIGABRT) {
    child = fork([&] {
      before();
      call(SYS_kill, call(SYS_getpid), signal);
    });
    return wait_for(child);
  }
  i32 child = 0;
};

constexpr i64 kDumped = 0x80;

TEST_F(CoreDumpTest, TheStatusTells) {
  EXPECT_EQ(die(), SIGABRT | kDumped);
  EXPECT_TRUE(exists("core"));
  EXPECT_EQ(die([] {}, SIGTERM), SIGTERM);
  EXPECT_EQ(die([] {}, SIGQUIT), SIGQUIT | kDumped);
}

TEST_F(CoreDumpTest, TheParentIsToldByItsSignalToo) {
  i32 code = 0, status = 0;
  test_program::handle(Signal::kChld, [&](test_program::Caught& caught) {
    code = caught.info.code;
    status = caught.info.child.status;
  });
  EXPECT_EQ(die(), SIGABRT | kDumped);
  EXPECT_EQ(code, CLD_DUMPED);
  EXPECT_EQ(status, SIGABRT);
  test_program::set_action(Signal::kChld, abi::kSignalDefault);
}

TEST_F(CoreDumpTest, AnElfFileWithNotesAndMemory) {
  const UserAddr text = put_text("to be found again");
  die();
  const Core core(content("core"));
  EXPECT_EQ(std::memcmp(core.header.e_ident, "\177ELF\2\1\1", 7), 0);
  EXPECT_EQ(core.header.e_type, ET_CORE);
  EXPECT_EQ(core.header.e_machine, EM_X86_64);
  EXPECT_EQ(core.header.e_phentsize, sizeof(Elf64_Phdr));
  EXPECT_EQ(core.memory(text, 17), "to be found again");
  for (const auto& load : core.loads) EXPECT_EQ(load.p_offset % kPageSize, 0u);
  ASSERT_FALSE(core.notes.empty());
  EXPECT_EQ(core.notes[0].first, u32(NT_PRSTATUS));
}

TEST_F(CoreDumpTest, WhoDiedAndOfWhat) {
  die();
  const Core core(content("core"));
  const auto status = core.one<elf_prstatus>(NT_PRSTATUS);
  EXPECT_EQ(status.pr_cursig, SIGABRT);
  EXPECT_EQ(status.pr_info.si_signo, SIGABRT);
  EXPECT_EQ(status.pr_pid, child);
  EXPECT_EQ(status.pr_ppid, 1);
  EXPECT_EQ(status.pr_fpvalid, 1);
  const auto process = core.one<elf_prpsinfo>(NT_PRPSINFO);
  EXPECT_EQ(process.pr_pid, child);
  EXPECT_EQ(process.pr_sname, 'R');
  EXPECT_STREQ(process.pr_fname, "test");
  const auto info = core.one<siginfo_t>(NT_SIGINFO);
  EXPECT_EQ(info.si_signo, SIGABRT);
  EXPECT_EQ(info.si_code, SI_USER);
  EXPECT_EQ(info.si_pid, child);
  EXPECT_EQ(core.one<elf_fpregset_t>(NT_FPREGSET).mxcsr, 0x1f80u);
}

TEST_F(CoreDumpTest, RegistersOfTheLastInstruction) {
  u64 stack = 0;
  die([&] { stack = current_task().user_regs().rsp; });
  const Core core(content("core"));
  const auto status = core.one<elf_prstatus>(NT_PRSTATUS);
  user_regs_struct registers;
  static_assert(sizeof registers == sizeof status.pr_reg);
  std::memcpy(&registers, status.pr_reg, sizeof registers);
  EXPECT_EQ(registers.rsp, stack);
  EXPECT_EQ(registers.orig_rax, u64(SYS_kill));
  EXPECT_EQ(registers.rax, 0u);
}

TEST_F(CoreDumpTest, AThreadForEachThread) {
  i32 first = 0, second = 0;
  die([&] {
    first = start_thread([] { call(SYS_pause); });
    second = start_thread([] { call(SYS_pause); });
    let_others_run();
  });
  const Core core(content("core"));
  std::vector<i32> threads;
  for (const std::string& note : core.all(NT_PRSTATUS)) {
    elf_prstatus status;
    std::memcpy(&status, note.data(), sizeof status);
    threads.push_back(status.pr_pid);
  }
  EXPECT_EQ(threads, (std::vector<i32>{child, first, second}));
  EXPECT_EQ(core.all(NT_FPREGSET).size(), 3u);
}

TEST_F(CoreDumpTest, AThreadMayBeTheOneThatDies) {
  i32 thread = 0;
  child = fork([&] {
    thread = start_thread([] { call(SYS_tgkill, call(SYS_getpid), call(SYS_gettid), SIGSEGV); });
    call(SYS_pause);
  });
  EXPECT_EQ(wait_for(child), SIGSEGV | kDumped);
  const Core core(content("core"));
  elf_prstatus status;
  ASSERT_EQ(core.all(NT_PRSTATUS).size(), 2u);
  std::memcpy(&status, core.all(NT_PRSTATUS)[0].data(), sizeof status);
  EXPECT_EQ(status.pr_pid, thread);
}

// --- which memory

TEST_F(CoreDumpTest, UntouchedMemoryIsAHole) {
  UserAddr at;
  die([&] {
    at = UserAddr(u64(call(SYS_mmap, 0, 16 * kPageSize, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
    store_user(at + 9 * kPageSize, u64{0x1234}).ignore();
  });
  const Core core(content("core"));
  const Elf64_Phdr* load = core.segment_of(at);
  ASSERT_TRUE(load);
  EXPECT_EQ(load->p_memsz, 16 * kPageSize);
  EXPECT_EQ(load->p_filesz, 16 * kPageSize);
  EXPECT_EQ(load->p_flags, u32(PF_R | PF_W));
  EXPECT_EQ(core.memory(at, 8), std::string(8, '\0'));
  EXPECT_EQ(core.memory(at + 9 * kPageSize, 2), "\x34\x12");
}

TEST_F(CoreDumpTest, MemoryWithoutRightsIsThere) {
  UserAddr at;
  die([&] {
    at = UserAddr(u64(
        call(SYS_mmap, 0, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
    store_user(at, u32{0x41424344}).ignore();
    call(SYS_mprotect, at, kPageSize, PROT_NONE);
  });
  EXPECT_EQ(Core(content("core")).memory(at, 4), "DCBA");
}

TEST_F(CoreDumpTest, AdviceKeepsMemoryOut) {
  UserAddr at;
  die([&] {
    at = UserAddr(u64(call(SYS_mmap, 0, 3 * kPageSize, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
    for (usize i = 0; i < 3; ++i) store_user(at + i * kPageSize, u8{65}).ignore();
    EXPECT_CALL_IS(0, SYS_madvise, at, 2 * kPageSize, MADV_DONTDUMP);
    EXPECT_CALL_IS(0, SYS_madvise, at, kPageSize, MADV_DODUMP);
  });
  const Core core(content("core"));
  EXPECT_EQ(core.memory(at, 1), "A");
  EXPECT_EQ(core.memory(at + kPageSize, 1), "not there");
  EXPECT_EQ(core.memory(at + 2 * kPageSize, 1), "A");
}

TEST_F(CoreDumpTest, TheFilterChooses) {
  make_file("data", std::string(kPageSize, 'd'));
  UserAddr shared, file;
  const auto work = [&](u32 filter) {
    die([&] {
      current_process().core_filter.store(filter);
      const i64 fd = call(SYS_open, "data", O_RDWR);
      shared = UserAddr(u64(
          call(SYS_mmap, 0, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)));
      file = UserAddr(u64(call(SYS_mmap, 0, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)));
      store_user(shared, u8{65}).ignore();
    });
    return Core(content("core"));
  };
  const Core usual = work(0x33), both = work(0xa), none = work(0);
  EXPECT_EQ(usual.memory(shared, 1), "A");
  EXPECT_EQ(usual.memory(file, 1), "not there");
  EXPECT_EQ(both.memory(shared, 1), "A");
  EXPECT_EQ(both.memory(file, 1), "d");
  EXPECT_EQ(none.memory(shared, 1), "not there");
}

TEST_F(CoreDumpTest, FilesAreListed) {
  make_file("mapped", std::string(3 * kPageSize, 'm'));
  UserAddr at;
  die([&] {
    const i64 fd = call(SYS_open, "mapped", O_RDONLY);
    at = UserAddr(u64(call(SYS_mmap, 0, kPageSize, PROT_READ, MAP_PRIVATE, fd, kPageSize)));
  });
  const Core core(content("core"));
  ASSERT_EQ(core.all(NT_FILE).size(), 1u);
  const std::string note = core.all(NT_FILE)[0];
  u64 words[5];
  ASSERT_GE(note.size(), sizeof words);
  std::memcpy(words, note.data(), sizeof words);
  EXPECT_EQ(words[0], 1u);
  EXPECT_EQ(words[1], kPageSize);
  EXPECT_EQ(words[2], at.value);
  EXPECT_EQ(words[3], at.value + kPageSize);
  EXPECT_EQ(words[4], 1u);
  EXPECT_EQ(note.substr(sizeof words), std::string("/t/mapped") + '\0');
  // What is in a file needs not be in the dump.
  EXPECT_EQ(core.segment_of(at)->p_filesz, 0u);
}

TEST_F(CoreDumpTest, ChildrenInheritTheFilter) {
  current_process().core_filter.store(0x7);
  u32 inherited = 0;
  wait_for(fork([&] { inherited = current_process().core_filter.load(); }));
  current_process().core_filter.store(0x33);
  EXPECT_EQ(inherited, 7u);
}

// --- whether, and where

TEST_F(CoreDumpTest, TheLimitMustAllowIt) {
  current_process().set_limit(abi::kLimitCore, {0, ~u64{0}});
  EXPECT_EQ(die(), SIGABRT);
  EXPECT_FALSE(exists("core"));
  current_process().set_limit(abi::kLimitCore, {4095, ~u64{0}});
  EXPECT_EQ(die(), SIGABRT);
  current_process().set_limit(abi::kLimitCore, {8192, ~u64{0}});
  EXPECT_EQ(die([&] {
              const UserAddr at = allocate(4 * kPageSize);
              for (usize i = 0; i < 4; ++i) store_user(at + i * kPageSize, u8{1}).ignore();
            }),
            SIGABRT | kDumped);
  EXPECT_EQ(Core(content("core")).header.e_type, ET_CORE);
}

TEST_F(CoreDumpTest, TheProcessMustAllowIt) {
  EXPECT_EQ(die([&] { call(SYS_prctl, PR_SET_DUMPABLE, 0); }), SIGABRT);
  EXPECT_FALSE(exists("core"));
}

TEST_F(CoreDumpTest, ItBelongsToItsUserAlone) {
  call(SYS_chmod, "/t", 0777);
  die();
  abi::Stat status = get<abi::Stat>([&] {
    const UserAddr at = allocate(sizeof(abi::Stat));
    EXPECT_CALL_IS(0, SYS_stat, "core", at);
    return at;
  }());
  EXPECT_EQ(status.mode, 0100600u);
}

TEST_F(CoreDumpTest, ChangedIdentitiesDumpAsRoot) {
  const auto change = [&] {
    call(SYS_setuid, 1000);
    EXPECT_EQ(current_process().dumpable.load(), suid_dumpable());
  };
  call(SYS_chmod, "/t", 0777);
  EXPECT_EQ(die(change), SIGABRT);
  set_suid_dumpable(2);
  // Only where the path says it all.
  EXPECT_EQ(die(change), SIGABRT);
  set_core_pattern("/t/whole");
  EXPECT_EQ(die(change), SIGABRT | kDumped);
  const UserAddr at = allocate(sizeof(abi::Stat));
  EXPECT_CALL_IS(0, SYS_stat, "whole", at);
  EXPECT_EQ(get<abi::Stat>(at).uid, 0u);
}

TEST_F(CoreDumpTest, AnOldOneIsReplacedButNotFollowed) {
  make_file("core", "old");
  call(SYS_link, "core", "kept");
  EXPECT_EQ(die(), SIGABRT | kDumped);
  EXPECT_EQ(read_file("kept"), "old");
  call(SYS_unlink, "core");
  call(SYS_mkdir, "core", 0755);
  EXPECT_EQ(die(), SIGABRT);
}

TEST_F(CoreDumpTest, ThePatternNamesIt) {
  set_core_pattern("/t/c.%p.%s.%e.%u.%%.%q");
  die();
  EXPECT_TRUE(exists("/t/c." + std::to_string(child) + ".6.test.0.%."));
  set_core_pattern("plain\n");
  set_core_uses_pid(true);
  die();
  EXPECT_TRUE(exists("plain." + std::to_string(child)));
  set_core_pattern("|/bin/reader %p");
  EXPECT_EQ(die(), SIGABRT);
}

// --- names

std::string name(std::string_view pattern, const CoreNameFacts& facts, bool with_pid = false) {
  auto made = core_file_name(pattern, with_pid, facts);
  return made.ok() ? std::string(made.value().view()) : "failed";
}

TEST(CoreFileName, Facts) {
  CoreNameFacts facts{7, 8, 9, 10, 0, 1, Signal::kSegv, 12, 13, "host", "a/b", "/usr/bin/python3"};
  EXPECT_EQ(name("core", facts), "core");
  EXPECT_EQ(name("%p %P %i %I %u %g %d %s %t %c", facts), "7 7 8 8 9 10 1 11 12 13");
  EXPECT_EQ(name("%h %e %f %E", facts), "host a!b python3 !usr!bin!python3");
  EXPECT_EQ(name("%z%", facts), "");
  EXPECT_EQ(name("core", facts, true), "core.7");
  EXPECT_EQ(name("core-%p", facts, true), "core-7");
  facts.command = "..";
  EXPECT_EQ(name("%e", facts), "!.");
  facts.command = ".";
  EXPECT_EQ(name("%e", facts), "!");
}

TEST(CoreHelper, ArgumentsAreSplitBeforeFactsArePutIn) {
  CoreNameFacts facts{7, 8, 9, 10, 3, 1, Signal::kSegv, 12, 13, "host", "a b", "/bin/x"};
  auto made = core_helper_arguments("| /bin/reader  %p-%C\t%e ", facts);
  ASSERT_TRUE(made.ok());
  ASSERT_EQ(made.value().size(), 3u);
  EXPECT_EQ(made.value()[0].view(), "/bin/reader");
  EXPECT_EQ(made.value()[1].view(), "7-3");
  EXPECT_EQ(made.value()[2].view(), "a b");
  EXPECT_EQ(core_helper_arguments("| ", facts).error(), Errno::kNoExec);
}

TEST(CoreFileName, PatternsAreCut) {
  set_core_pattern(std::string(200, 'x'));
  EXPECT_EQ(core_pattern().view().size(), 127u);
  set_core_pattern("one\ntwo");
  EXPECT_EQ(core_pattern().view(), "one");
  set_core_pattern("core");
}

}  // namespace
}  // namespace narwhal
