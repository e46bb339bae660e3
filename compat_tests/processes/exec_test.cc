// execve(2), execveat(2): what another program inherits, and what it doesn't.
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <thread>

#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"
#include "compat_tests/processes/again.h"

namespace compat {
namespace {

std::string number(long value) {
  return std::to_string(value);
}

TEST(Exec, PassesArguments) {
  EXPECT_EQ(42, run_role("code", {"42"}));
  EXPECT_EQ(3, run_role("count", {"a", "", "c"}));
}

TEST(Exec, PassesManyArguments) {
  EXPECT_EQ(200, run_role("count", std::vector<std::string>(200, std::string(1000, 'x'))));
}

TEST(Exec, PassesTheEnvironment) {
  char text[] = "COLOUR=green";
  char* environment[] = {text, nullptr};
  EXPECT_EQ(0, run_child([&] {
              Arguments arguments("environment", {"COLOUR", "green"});
              return execve(kSelf, arguments.data(), environment);
            }));
  EXPECT_EQ(1, run_child([&] {
              Arguments arguments("environment", {"PATH", ""});
              return execve(kSelf, arguments.data(), environment);
            }));
}

TEST(Exec, KeepsTheNumber) {
  EXPECT_EQ(1, run_child([] { return become("pid", {number(getpid())}); }));
}

TEST(Exec, KeepsDescriptorsButThoseMarked) {
  Fd kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(1, run_role("open", {number(kept)}));
  EXPECT_EQ(0, run_role("open", {number(closed)}));
}

TEST(Exec, KeepsIgnoredSignals) {
  ScopedAction ignore(SIGUSR1, SIG_IGN);
  EXPECT_EQ(1, run_role("ignored", {number(SIGUSR1)}));
}

TEST(Exec, ResetsHandlers) {
  ScopedAction handle(SIGUSR1, record_signal);
  EXPECT_EQ(1, run_role("default", {number(SIGUSR1)}));
}

TEST(Exec, KeepsTheMaskAndPendingSignals) {
  EXPECT_EQ(1, run_child([] {
              Blocked blocked({SIGUSR1});
              return become("blocked", {number(SIGUSR1)});
            }));
  EXPECT_EQ(1, run_child([] {
              Blocked blocked({SIGUSR1});
              kill(getpid(), SIGUSR1);
              return become("pending", {number(SIGUSR1)});
            }));
}

TEST(Exec, KeepsTheAlarm) {
  EXPECT_LT(50, run_child([] {
              alarm(100);
              return become("alarm");
            }));
}

TEST(Exec, KeepsDirectoryAndMask) {
  TempDir dir;
  EXPECT_EQ(1, run_child([&] {
              if (chdir(dir.path().c_str()) != 0) return 9;
              return become("directory", {dir.path()});
            }));
  EXPECT_EQ(027, run_child([] {
              umask(027);
              return become("mask");
            }));
}

TEST(Exec, KeepsLimitsAndNiceness) {
  EXPECT_EQ(77, run_child([] {
              const rlimit limit{77, 77};
              setrlimit(RLIMIT_NOFILE, &limit);
              return become("files");
            }));
  EXPECT_EQ(6, run_child([] {
              setpriority(PRIO_PROCESS, 0, 6);
              return become("nice");
            }));
}

TEST(Exec, NamesTheProcessAfterTheFile) {
  TempDir dir;
  const std::string link = dir / "a-name-that-is-long";
  ASSERT_OK(symlink(canonicalize_file_name(kSelf), link.c_str()));
  EXPECT_EQ(1, run_child([&] {
              Arguments arguments("name", {"a-name-that-is-"});
              return execv(link.c_str(), arguments.data());
            }));
}

TEST(Exec, TellsThePath) {
  EXPECT_EQ(1, run_role("path", {kSelf}));
}

TEST(Exec, TakesAnyFirstArgument) {
  char zero[] = "whatever", role[] = "--role=argument0", expected[] = "whatever";
  char* arguments[] = {zero, role, expected, nullptr};
  EXPECT_EQ(1, run_child([&] { return execv(kSelf, arguments); }));
}

TEST(Exec, EndsOtherThreads) {
  EXPECT_EQ(1, run_child([] {
              for (int i = 0; i < 3; ++i) std::thread([] { pause(); }).detach();
              return become("threads");
            }));
}

TEST(Exec, ByAThreadMakesItTheLeader) {
  EXPECT_EQ(1, run_child([] {
              std::thread([] { _exit(become("tid", {number(getpid())})); }).join();
              return 9;
            }));
}

TEST(Exec, ByAThreadWhoseLeaderHasEnded) {
  // /proc/self is the leader, which has no program any more.
  const std::string path = canonicalize_file_name(kSelf);
  EXPECT_EQ(1, run_child([&] {
              std::thread([&] {
                nap(50);
                Arguments arguments("tid", {number(getpid())});
                _exit(execv(path.c_str(), arguments.data()));
              }).detach();
              syscall(SYS_exit, 0);
              return 9;
            }));
}

TEST(Exec, DropsTheAlternateStack) {
  EXPECT_EQ(1, run_child([] {
              static char memory[65536];
              const stack_t stack{memory, 0, sizeof memory};
              sigaltstack(&stack, nullptr);
              return become("altstack");
            }));
}

TEST(Exec, KeepsTheDeathSignalAndPrivileges) {
  EXPECT_EQ(SIGUSR2, run_child([] {
              prctl(PR_SET_PDEATHSIG, SIGUSR2);
              return become("death");
            }));
  EXPECT_EQ(1, run_child([] {
              prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
              return become("privileges");
            }));
}

TEST(Exec, KeepsTheSubreaperMark) {
  EXPECT_EQ(1, run_child([] {
              prctl(PR_SET_CHILD_SUBREAPER, 1);
              return become("subreaper");
            }));
}

TEST(Exec, ForgetsKeptCapabilitiesAndUndumpability) {
  EXPECT_EQ(0, run_child([] {
              prctl(PR_SET_KEEPCAPS, 1);
              return become("keepcaps");
            }));
  EXPECT_EQ(1, run_child([] {
              prctl(PR_SET_DUMPABLE, 0);
              return become("dumpable");
            }));
}

TEST(Exec, KeepsChildren) {
  EXPECT_EQ(9, run_child([] {
              spawn([] { return 9; });
              return become("child");
            }));
}

TEST(Exec, AfterVfork) {
  Arguments arguments("code", {"17"});
  const pid_t pid = vfork();
  if (pid == 0) {
    execv(kSelf, arguments.data());
    _exit(255);
  }
  EXPECT_EQ(17, outcome(pid));
}

// --- scripts

class Script : public ::testing::Test {
 protected:
  int run(const std::string& first_line, std::vector<std::string> arguments = {}) {
    write_file(path_, first_line + "\n", 0755);
    return run_child([&] {
      arguments.insert(arguments.begin(), path_);
      std::vector<char*> pointers;
      for (std::string& text : arguments) pointers.push_back(text.data());
      pointers.push_back(nullptr);
      execv(path_.c_str(), pointers.data());
      return errno;
    });
  }
  const std::string self_ = canonicalize_file_name(kSelf);
  TempDir dir_;
  const std::string path_ = dir_ / "script";
};

TEST_F(Script, RunsItsInterpreter) {
  // The script's path is the first argument of the role.
  EXPECT_EQ(1, run("#!" + self_ + " --role=count"));
  EXPECT_EQ(3, run("#!" + self_ + " --role=count", {"a", "b"}));
}

TEST_F(Script, BlanksAroundTheInterpreter) {
  EXPECT_EQ(1, run("#! \t" + self_ + " \t --role=count  "));
}

TEST_F(Script, MayBeInterpretedByAScript) {
  const std::string inner = dir_ / "inner";
  write_file(inner, "#!" + self_ + " --role=count\n", 0755);
  EXPECT_EQ(2, run("#!" + inner));
}

TEST_F(Script, WithoutAnInterpreter) {
  EXPECT_EQ(ENOENT, run("#!/no/such/interpreter"));
  EXPECT_EQ(ENOEXEC, run("#!"));
  EXPECT_EQ(ENOEXEC, run("echo hello"));
}

TEST_F(Script, CannotInterpretItself) {
  EXPECT_EQ(ELOOP, run("#!" + path_));
}

// --- refusals

int exec_error(const char* path) {
  char name[] = "x";
  char* arguments[] = {name, nullptr};
  return run_child([&] { return execv(path, arguments) == -1 ? errno : 0; });
}

TEST(ExecRefuses, WhatIsNotThere) {
  EXPECT_EQ(ENOENT, exec_error("/no/such/program"));
  EXPECT_EQ(ENOENT, exec_error(""));
  EXPECT_EQ(ENOTDIR, exec_error("/proc/self/exe/x"));
  EXPECT_EQ(EFAULT, exec_error(bad_pointer<char>()));
}

TEST(ExecRefuses, WhatIsNoProgram) {
  TempDir dir;
  EXPECT_EQ(EACCES, exec_error(dir.path().c_str()));
  write_file(dir / "empty", "", 0755);
  EXPECT_EQ(ENOEXEC, exec_error((dir / "empty").c_str()));
  write_file(dir / "plain", std::string("\177ELF"), 0755);
  EXPECT_EQ(ENOEXEC, exec_error((dir / "plain").c_str()));
}

TEST(ExecRefuses, WhatMayNotBeExecuted) {
  TempDir dir;
  write_file(dir / "f", "#!/bin/sh\n", 0644);
  EXPECT_EQ(EACCES, exec_error((dir / "f").c_str()));
}

TEST(ExecRefuses, LinksThatLeadNowhere) {
  TempDir dir;
  ASSERT_OK(symlink("loop", (dir / "loop").c_str()));
  EXPECT_EQ(ELOOP, exec_error((dir / "loop").c_str()));
}

TEST(ExecRefuses, TooMuch) {
  EXPECT_EQ(E2BIG, run_child([] {
              Arguments arguments("count", {std::string(140'000, 'x')});
              return execv(kSelf, arguments.data()) == -1 ? errno : 0;
            }));
}

TEST(ExecRefuses, AFileThatIsWritten) {
  TempDir dir;
  write_file(dir / "f", "#!/bin/sh\n", 0755);
  Fd fd = open((dir / "f").c_str(), O_WRONLY);
  EXPECT_EQ(ETXTBSY, exec_error((dir / "f").c_str()));
}

TEST(ExecRefuses, WritingToARunningProgram) {
  EXPECT_ERRNO(ETXTBSY, open(kSelf, O_WRONLY));
}

// --- execveat

int exec_at(int directory, const char* path, Arguments& arguments, int flags) {
  return static_cast<int>(syscall(SYS_execveat, directory, path, arguments.data(), environ, flags));
}

TEST(ExecAt, RelativeToADirectory) {
  TempDir dir;
  ASSERT_OK(symlink(canonicalize_file_name(kSelf), (dir / "self").c_str()));
  Fd fd = open(dir.path().c_str(), O_PATH | O_DIRECTORY);
  Arguments arguments("code", {"21"});
  EXPECT_EQ(21, run_child([&] { return exec_at(fd, "self", arguments, 0); }));
}

TEST(ExecAt, ADescriptorItself) {
  Fd fd = open(kSelf, O_RDONLY);
  Arguments arguments("code", {"22"});
  EXPECT_EQ(22, run_child([&] { return exec_at(fd, "", arguments, AT_EMPTY_PATH); }));
}

TEST(ExecAt, ADescriptorThatIsClosedByIt) {
  Fd fd = open(kSelf, O_PATH | O_CLOEXEC);
  Arguments arguments("open", {number(fd)});
  EXPECT_EQ(0, run_child([&] { return exec_at(fd, "", arguments, AT_EMPTY_PATH); }));
}

TEST(ExecAt, Refuses) {
  TempDir dir;
  ASSERT_OK(symlink(canonicalize_file_name(kSelf), (dir / "self").c_str()));
  Fd fd = open(dir.path().c_str(), O_PATH | O_DIRECTORY);
  Arguments arguments("code", {"0"});
  const auto error = [&](int directory, const char* path, int flags) {
    return run_child([&] { return exec_at(directory, path, arguments, flags) == -1 ? errno : 0; });
  };
  EXPECT_EQ(ELOOP, error(fd, "self", AT_SYMLINK_NOFOLLOW));
  EXPECT_EQ(EINVAL, error(fd, "self", 1));
  EXPECT_EQ(ENOENT, error(fd, "", 0));
  EXPECT_EQ(EBADF, error(999, "self", 0));
  EXPECT_EQ(EACCES, error(fd, "", AT_EMPTY_PATH));
}

TEST(ExecAt, AFileInMemory) {
  Fd memory = memfd_create("program", 0);
  Fd self = open(kSelf, O_RDONLY);
  char buffer[65536];
  for (ssize_t size; (size = read(self, buffer, sizeof buffer)) > 0;)
    ASSERT_TRUE(write_all(memory, {buffer, static_cast<size_t>(size)}));
  Arguments arguments("code", {"23"});
  EXPECT_EQ(23, run_child([&] { return exec_at(memory, "", arguments, AT_EMPTY_PATH); }));
}

// --- identities

class SetUser : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    Fd self = open(kSelf, O_RDONLY), copy = open(path_.c_str(), O_WRONLY | O_CREAT, 0755);
    char buffer[65536];
    for (ssize_t size; (size = read(self, buffer, sizeof buffer)) > 0;)
      ASSERT_TRUE(write_all(copy, {buffer, static_cast<size_t>(size)}));
    ASSERT_OK(chmod(dir_.path().c_str(), 0755));
  }
  // The role as user and group 1000.
  int run(const char* role, std::vector<std::string> more = {}) {
    return run_child([&] {
      if (setgid(1000) != 0 || setuid(1000) != 0) return 250;
      Arguments arguments(role, std::move(more));
      return execv(path_.c_str(), arguments.data());
    });
  }
  TempDir dir_;
  const std::string path_ = dir_ / "copy";
};

TEST_F(SetUser, TakesTheOwnersPlace) {
  ASSERT_OK(chown(path_.c_str(), 1234, 0));
  ASSERT_OK(chmod(path_.c_str(), 04755));
  EXPECT_EQ(1, run("users", {"1000", "1234"}));
  EXPECT_EQ(1, run("secure"));
}

TEST_F(SetUser, TakesTheGroupsPlace) {
  ASSERT_OK(chown(path_.c_str(), 0, 1234));
  ASSERT_OK(chmod(path_.c_str(), 02755));
  EXPECT_EQ(1, run("groups", {"1000", "1234"}));
}

TEST_F(SetUser, NotWhenPrivilegesAreRenounced) {
  ASSERT_OK(chown(path_.c_str(), 1234, 0));
  ASSERT_OK(chmod(path_.c_str(), 04755));
  EXPECT_EQ(1, run_child([&] {
              if (setuid(1000) != 0) return 250;
              prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
              Arguments arguments("users", {"1000", "1000"});
              return execv(path_.c_str(), arguments.data());
            }));
}

TEST_F(SetUser, OrdinaryProgramsAreNotSecure) {
  EXPECT_EQ(0, run("secure"));
  EXPECT_EQ(1, run("users", {"1000", "1000"}));
}

}  // namespace
}  // namespace compat
