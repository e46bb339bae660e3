// Where core dumps go: /proc/sys/kernel/core_pattern and its relatives, core(5).
#include <dirent.h>
#include <elf.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <vector>

#include "compat_tests/common/files.h"
#include "compat_tests/processes/again.h"

namespace compat {
namespace {

// A setting of the machine, put back at the end.
class Setting {
 public:
  explicit Setting(const char* name)
      : path_(std::string("/proc/sys/") + name), old_(read_file(path_)) {}
  ~Setting() { write_file(path_, old_); }
  void set(const std::string& value) { write_file(path_, value); }
  std::string get() const { return read_file(path_); }

 private:
  std::string path_, old_;
};

// These settings are the whole machine's. In the guest we are alone; elsewhere somebody has to say
// that nobody minds.
class CorePattern : public ::testing::Test {
 protected:
  void SetUp() override {
    if (getpid() != 1 && getenv("COMPAT_MAY_CHANGE_MACHINE") == nullptr)
      GTEST_SKIP() << "the machine is not ours alone";
    ASSERT_OK(chmod(dir_.path().c_str(), 0777));
    // The pattern has room for 127 bytes.
    ASSERT_OK(symlink(canonicalize_file_name(kSelf), (dir_ / "me").c_str()));
    uses_pid_.set("0");
  }
  // A child that runs `before` and dies of SIGABRT: its status.
  template <class Before>
  pid_t start(Before before, rlim_t limit = RLIM_INFINITY) {
    return spawn([&] {
      const rlimit core{limit, limit};
      if (setrlimit(RLIMIT_CORE, &core) != 0 || chdir(dir_.path().c_str()) != 0) return 1;
      before();
      kill(getpid(), SIGABRT);
      return 2;
    });
  }
  template <class Before>
  int die(Before before, rlim_t limit = RLIM_INFINITY) {
    return wait_status(child_ = start(before, limit));
  }
  int die() {
    return die([] {});
  }
  // Dumps go to a role of this program, which gets our directory and `more`.
  void use_helper(const char* role, const std::string& more = "") {
    pattern_.set("|" + dir_ / "me" + " " + kRolePrefix + role + " " + dir_.path() + more);
  }
  bool exists(const std::string& name) const { return access((dir_ / name).c_str(), F_OK) == 0; }
  // What the helper has found, once it has.
  std::string found(const std::string& name) {
    if (!eventually([&] { return exists(name); })) return "(nothing)";
    return read_file(dir_ / name);
  }

  TempDir dir_;
  Setting pattern_{"kernel/core_pattern"}, uses_pid_{"kernel/core_uses_pid"},
      limit_{"kernel/core_pipe_limit"}, as_root_{"fs/suid_dumpable"};
  pid_t child_ = 0;
};

// --- files

TEST_F(CorePattern, RelativeToTheWorkingDirectory) {
  pattern_.set("here");
  EXPECT_TRUE(WCOREDUMP(die()));
  EXPECT_TRUE(exists("here"));
}

TEST_F(CorePattern, Absolute) {
  pattern_.set(dir_ / "absolute.%p.%s.%%");
  EXPECT_TRUE(WCOREDUMP(die([] { (void)!chdir("/"); })));
  EXPECT_TRUE(exists("absolute." + std::to_string(child_) + ".6.%"));
}

TEST_F(CorePattern, DirectoriesAreNotMade) {
  pattern_.set("no/such/core");
  const int status = die();
  EXPECT_EQ(SIGABRT, WTERMSIG(status));
  EXPECT_FALSE(WCOREDUMP(status));
}

TEST_F(CorePattern, NamesOfCommandsAreOneComponent) {
  pattern_.set("c.%e");
  EXPECT_TRUE(WCOREDUMP(die([] { prctl(PR_SET_NAME, "a/../b"); })));
  EXPECT_TRUE(exists("c.a!..!b"));
}

TEST_F(CorePattern, WithTheNumberOnRequest) {
  pattern_.set("core");
  uses_pid_.set("1");
  EXPECT_TRUE(WCOREDUMP(die()));
  EXPECT_TRUE(exists("core." + std::to_string(child_)));
  pattern_.set("p%p");
  EXPECT_TRUE(WCOREDUMP(die()));
  EXPECT_TRUE(exists("p" + std::to_string(child_)));
}

TEST_F(CorePattern, ChangedIdentities) {
  pattern_.set("relative");
  const auto change = [] { (void)!setuid(1000); };
  as_root_.set("0");
  EXPECT_FALSE(WCOREDUMP(die(change)));
  as_root_.set("2");
  EXPECT_FALSE(WCOREDUMP(die(change))) << "only where the path says it all";
  pattern_.set(dir_ / "whole");
  EXPECT_TRUE(WCOREDUMP(die(change)));
  struct stat status = {};
  EXPECT_OK(stat((dir_ / "whole").c_str(), &status));
  EXPECT_EQ(0u, status.st_uid);
}

// --- programs

TEST_F(CorePattern, AProgramGetsTheDump) {
  use_helper("core-reader");
  EXPECT_TRUE(WCOREDUMP(die()));
  const std::string dump = found("dump");
  ASSERT_LT(sizeof(Elf64_Ehdr), dump.size());
  Elf64_Ehdr header;
  memcpy(&header, dump.data(), sizeof header);
  EXPECT_EQ(0, memcmp(header.e_ident, ELFMAG, SELFMAG));
  EXPECT_EQ(ET_CORE, header.e_type);
  // Nothing is left out where a file would have a hole.
  Elf64_Phdr last;
  memcpy(&last, &dump[header.e_phoff + (header.e_phnum - 1u) * sizeof last], sizeof last);
  EXPECT_EQ(last.p_offset + last.p_filesz, dump.size());
}

TEST_F(CorePattern, FactsAreItsArguments) {
  use_helper("core-arguments", " %p %P %i %s %u %g %d %c %e x%%y %h");
  char host[100];
  ASSERT_OK(gethostname(host, sizeof host));
  EXPECT_TRUE(WCOREDUMP(die([] { prctl(PR_SET_NAME, "two words"); }, 12345678)));
  const std::string pid = std::to_string(child_);
  EXPECT_EQ(pid + '\n' + pid + '\n' + pid + "\n6\n" + std::to_string(getuid()) + '\n' +
                std::to_string(getgid()) + "\n1\n12345678\ntwo words\nx%y\n" + host + '\n',
            found("arguments"));
}

TEST_F(CorePattern, ItRunsApart) {
  use_helper("core-surroundings");
  EXPECT_TRUE(WCOREDUMP(die([] {
    setenv("SECRET", "1", 1);
    (void)!setgid(1000);
    prctl(PR_SET_DUMPABLE, 1);
  })));
  EXPECT_EQ("/ 0 0 1 0 1 1", found("surroundings"))
      << "directory, users, open files, environment, limit of cores";
}

TEST_F(CorePattern, NoneOfTheLimitsBindsIt) {
  use_helper("core-reader");
  EXPECT_TRUE(WCOREDUMP(die([] {}, 0)));
  EXPECT_NE("", found("dump"));
}

TEST_F(CorePattern, TheLimitOfOneForbids) {
  use_helper("core-reader");
  EXPECT_FALSE(WCOREDUMP(die([] {}, 1)));
}

TEST_F(CorePattern, NoSuchProgram) {
  pattern_.set("|/no/such/program %p");
  const int status = die();
  EXPECT_EQ(SIGABRT, WTERMSIG(status));
  EXPECT_FALSE(WCOREDUMP(status));
}

TEST_F(CorePattern, ProgramsMayGoEarly) {
  use_helper("core-none");
  EXPECT_EQ(SIGABRT, WTERMSIG(die()));
}

TEST_F(CorePattern, ADumpThatNobodyReadsCanBeKilled) {
  use_helper("core-sleeper");
  const pid_t pid = start([] {});
  ASSERT_TRUE(eventually([&] { return exists("sleeping"); }));
  EXPECT_EQ(0, waitpid(pid, nullptr, WNOHANG)) << "a pipe has not room for it all";
  kill(pid, SIGKILL);
  EXPECT_EQ(SIGKILL, wait_status(pid)) << "nor is there a dump";
  kill(pid_t(atoi(found("sleeping").c_str())), SIGKILL);
}

TEST_F(CorePattern, DyingProcessesWaitForTheProgramWhereItsNumberIsLimited) {
  limit_.set("4");
  use_helper("core-late-looker", " %p");
  EXPECT_TRUE(WCOREDUMP(die()));
  EXPECT_EQ("it is there", found("look")) << "after the last byte of the dump";
}

TEST_F(CorePattern, TooManyAtOnceGoWithout) {
  limit_.set("1");
  use_helper("core-sleeper");
  const pid_t first = start([] {});
  ASSERT_TRUE(eventually([&] { return exists("sleeping"); }));
  EXPECT_FALSE(WCOREDUMP(die()));
  kill(pid_t(atoi(found("sleeping").c_str())), SIGKILL);
  EXPECT_EQ(SIGABRT, WTERMSIG(wait_status(first)));
}

TEST_F(CorePattern, HelpersAreNobodysChildren) {
  use_helper("core-reader");
  EXPECT_TRUE(WCOREDUMP(die()));
  EXPECT_NE("", found("dump"));
  EXPECT_ERRNO(ECHILD, waitpid(-1, nullptr, WNOHANG));
}

}  // namespace
}  // namespace compat
